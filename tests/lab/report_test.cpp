// The results are in the page as they were, and no text in them ends the element they are in.
#include "lab/report.hpp"

#include <gtest/gtest.h>

namespace polyio::lab {
namespace {
constexpr std::string_view place = R"(<script type="application/json" id="results">)";
constexpr std::string_view end = "</script>";

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) {
    ++found;
  }
  return found;
}

/// What a browser takes for the results: all up to the first end of a script element.
std::string results_in(std::string_view page) {
  const auto start = page.find(place) + place.size();
  return std::string(page.substr(start, page.find(end, start) - start));
}

TEST(Report, TheTemplateHasOnePlaceForResults) {
  const auto page = report_template();
  EXPECT_EQ(count(page, place), 1U);
  EXPECT_EQ(results_in(page), "");
  EXPECT_LT(page.size(), 250'000U);
}

TEST(Report, ResultsGoInAsTheyAre) {
  const std::string json = R"({"schema": 1, "text": "\"quotes\" \\ & > ' ünï 日本"})";
  EXPECT_EQ(results_in(report_page(json)), json);
  EXPECT_EQ(report_page(""), report_template());
}

TEST(Report, NoTextEndsTheScriptElement) {
  const auto page = report_page(R"(["</script><img src=x onerror=alert(1)>", "<!--<script>"])");
  EXPECT_EQ(results_in(page), R"(["\u003c/script>\u003cimg src=x onerror=alert(1)>", )"
                              R"("\u003c!--\u003cscript>"])");
  EXPECT_EQ(count(page, end), count(report_template(), end));
}

TEST(Report, LineSeparatorsAreEscaped) {
  EXPECT_EQ(results_in(report_page("[\"a\xe2\x80\xa8z\xe2\x80\xa9\"]")), R"(["a\u2028z\u2029"])");
  EXPECT_EQ(results_in(report_page("\xe2\x80\xa7 \xe2\x80")), "\xe2\x80\xa7 \xe2\x80")
      << "not their neighbours, nor the beginning of one";
}

TEST(Report, AllAroundTheResultsIsTheTemplate) {
  const std::string_view page = report_template();
  const auto start = page.find(place) + place.size();
  EXPECT_EQ(report_page("<"),
            std::string(page.substr(0, start)) + "\\u003c" + std::string(page.substr(start)));
}
}  // namespace
}  // namespace polyio::lab
