// ProxyHeaderReader: cuts, and what every source must be like; addresses are read as they are
// written; whatever is forwarded, the answer is an address, and a peer that is not trusted is taken
// for itself.
#include "fuzz.hpp"

namespace polyio::proto::test {
namespace {

void check_header(const Input& input) {
  const Log log = require_same_however_cut(input, proxy_log);
  if (log.size() < 2) return;
  const std::string_view source = log[0], rest = log[1];
  require(input.text.ends_with(rest), "what follows is handed on");
  require(input.text.size() - rest.size() <= ProxyHeaderReader::max_v2, "a header is bounded");
  if (!source.starts_with("ipv")) return;
  const std::string_view host = source.substr(5, source.rfind(' ') - 5);
  require(IpAddress::parse(host).has_value(), "a source is an address");
}

void check_forwarded(std::string_view list) {
  const Network trusted[] = {*Network::parse("10.0.0.0/8"), *Network::parse("::/16")};
  for (const std::string name : {"X-Forwarded-For", "Forwarded"}) {
    Request request;
    request.headers = {{name, std::string(list)}};
    require(forwarded_for(request, "fe80::1", trusted, name) == "fe80::1", "anybody can send it");
    const auto source = forwarded_for(request, "10.0.0.1", trusted, name);
    const auto address = IpAddress::parse(source);
    require(address && address->text() == source, "the answer is an address");
  }
}

}  // namespace
}  // namespace polyio::proto::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace polyio::proto;
  using namespace polyio::proto::test;
  const Input input = split_off_cut(data, size);
  check_header(input);
  check_forwarded(input.text);
  const auto address = IpAddress::parse(input.text);
  if (address) require(IpAddress::parse(address->text()) == address, "an address is read back");
  (void)Network::parse(input.text);
  return 0;
}
