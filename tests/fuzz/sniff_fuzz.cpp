// Sniffer: cuts, no byte lost or kept twice, and the decision against the rule said once more, for
// the whole input.
#include "fuzz.hpp"

namespace polyio::proto::test {
namespace {

void check_rule(std::string_view input, const Log& log) {
  const bool http = log[0] == "http";
  require(log[2] == input, "every byte is handed on, once");
  require((log[0] == "tls") == input.starts_with('\x16'), "TLS is known by its first byte");
  const std::string_view line = input.substr(0, input.find('\n'));
  const bool whole = line.size() < input.size();
  if (line.size() > Sniffer::max_first_line) return;
  if (http) require(whole && is_http_request_line(line), "HTTP begins with a request line");
  if (line.starts_with("GET ") && is_http_request_line(line) && whole) {
    require(http, "a GET is HTTP");
  }
}

}  // namespace
}  // namespace polyio::proto::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace polyio::proto::test;
  const Input input = split_off_cut(data, size);
  check_rule(input.text, require_same_however_cut(input, sniff_log));

  // The limit is far away for a fuzzer, so it is brought near: the target grows past it.
  const std::size_t space = input.text.find(' ');
  if (space == input.text.npos) return 0;
  std::string grown(input.text.substr(0, space + 2));
  grown.append(polyio::proto::Sniffer::max_first_line - 8 + input.cut % 16, 'x');
  grown.append(input.text.substr(std::min(space + 2, input.text.size())));
  const Input longer{grown, grown.size() - input.cut % std::min<std::size_t>(grown.size(), 64)};
  const Log whole = sniff_log({longer.text});
  require(sniff_log(cut_at(longer.text, longer.cut)) == whole, "a long line is read the same");
  check_rule(longer.text, whole);
  return 0;
}
