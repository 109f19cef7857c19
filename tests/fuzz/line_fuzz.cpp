// LineReader against a model that sees the whole input, and what text.hpp promises of each line.
#include <polyio/base/text.hpp>

#include "fuzz.hpp"

namespace polyio::proto::test {
namespace {

constexpr std::size_t max_line = 24;

Log model(std::string_view input) {
  Log log;
  while (!input.empty()) {
    const std::size_t newline = input.find('\n');
    std::string_view line = input.substr(0, newline);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const bool last = newline == input.npos;
    const bool too_long = line.size() > max_line;
    const std::string entry = too_long ? "too long" : fmt::format("line {}:{}", line.size(), line);
    log.push_back(last && !too_long ? "last " + entry : entry);
    input.remove_prefix(last ? input.size() : newline + 1);
  }
  return log;
}

void check_promises_of_text(std::string_view text) {
  require(check_text(escape_for_log(text)).has_value(), "a log entry is clean");
  require(check_text(escape_for_log(text, 7)).has_value(), "a cut log entry is clean");
  require(escape_for_log(text).size() <= 4 * 256 + 3, "a log entry is bounded");
  const auto checked = check_text(text);
  require(checked || checked.error().position < text.size(), "an error is inside the text");
  if (!check_nickname(text)) return;
  require(checked.has_value() && text.size() <= max_nickname_bytes, "a nickname is good text");
  require(text.find_first_of("[]()',\"\t\n") == text.npos, "a nickname looks like no address");
}

}  // namespace
}  // namespace polyio::proto::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace polyio::proto::test;
  const Input input = split_off_cut(data, size);
  const auto run = [](const Chunks& chunks) { return line_log(chunks, max_line); };
  require(require_same_however_cut(input, run) == model(input.text), "lines are as in the model");
  require(
      require_same_however_cut(input, [](const Chunks& c) { return line_log(c); }).size() <= size,
      "there are no more lines than bytes");
  check_promises_of_text(input.text);
  return 0;
}
