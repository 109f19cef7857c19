// The lab's report: one HTML file that holds its results, its scripts and its styles, and loads
// nothing. The page itself is web/lab, built into web/lab/dist and compiled in. Text of the results
// can't leave the element it is put into.
#pragma once

#include <string>
#include <string_view>

namespace polyio::lab {

// The page without results, as web/lab builds it.
std::string_view report_template();

// The page with `results_json` in it (the text of results.json, docs/lab.md). The text is not
// checked: of what is no JSON the page says so.
std::string report_page(std::string_view results_json);

// Writes report.html into `folder`, with what is there of results.json, claims.json and trace.json.
// These are the lab's own, and may be of different runs: what a run says of itself is taken from
// the first of them. Throws std::runtime_error, std::system_error.
void write_report(const std::string& folder);

}  // namespace polyio::lab
