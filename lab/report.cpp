#include "report.hpp"

#include <filesystem>
#include <polyio/base/assert.hpp>

#include "results.hpp"

namespace polyio::lab {
namespace {

constexpr std::string_view place = R"(<script type="application/json" id="results">)";

// In JSON these occur only inside of strings, where the escape means the same. `<` begins all
// that a browser looks for in a script element; the separators end a line for some readers.
void append_escaped(std::string& page, std::string_view json) {
  std::size_t done = 0;
  for (std::size_t at = 0; at < json.size(); ++at) {
    std::string_view escape;
    std::size_t length = 1;
    if (json[at] == '<') {
      escape = "\\u003c";
    } else if (json.substr(at).starts_with("\xe2\x80\xa8")) {
      escape = "\\u2028";
      length = 3;
    } else if (json.substr(at).starts_with("\xe2\x80\xa9")) {
      escape = "\\u2029";
      length = 3;
    } else {
      continue;
    }
    page.append(json, done, at - done).append(escape);
    at += length - 1;
    done = at + 1;
  }
  page.append(json, done);
}

}  // namespace

std::string report_page(std::string_view results_json) {
  const std::string_view page = report_template();
  const std::size_t found = page.find(place);
  POLYIO_ASSERT(found != page.npos);
  const std::size_t start = found + place.size();
  std::string out;
  out.reserve(page.size() + results_json.size() + results_json.size() / 16);
  out.append(page, 0, start);
  append_escaped(out, results_json);
  return out.append(page, start);
}

void write_report(const std::string& folder) {
  Json all = Json::object();
  for (const char* const part : {"results", "claims", "trace"}) {
    const std::string file = folder + "/" + part + ".json";
    if (!std::filesystem::exists(file)) continue;
    const Json content = Json::parse(read_file(file));
    for (const auto& [key, value] : content.items()) {
      if (!all.contains(key)) all[key] = value;
    }
  }
  write_file(folder + "/report.html", report_page(all.dump(1)));
}

}  // namespace polyio::lab
