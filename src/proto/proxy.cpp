#include <polyio/base/assert.hpp>
#include <polyio/proto/proxy.hpp>

#include "ascii.hpp"

namespace polyio::proto {
namespace {

constexpr std::string_view v1_start = "PROXY ";
constexpr std::string_view v2_start{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr std::size_t v2_fixed = 16;  // bytes before the addresses

// "1.2.3.4", "1.2.3.4:5", "::1", "[::1]", "[::1]:5", perhaps quoted.
std::optional<IpAddress> parse_node(std::string_view node) noexcept {
  node = unquoted(node);
  if (node.starts_with('[') && node.contains(']')) {
    return IpAddress::parse(node.substr(1, node.find(']') - 1));
  }
  if (std::ranges::count(node, ':') == 1) node = node.substr(0, node.find(':'));
  return IpAddress::parse(node);
}

// The address in one element of the header.
std::optional<IpAddress> parse_element(std::string_view element, bool rfc7239) noexcept {
  if (!rfc7239) return parse_node(element);
  while (!element.empty()) {
    std::string_view value = take_part(element, ';', true);
    if (equal_ignoring_case(take_part(value, '='), "for")) return parse_node(value);
  }
  return std::nullopt;
}

}  // namespace

ProxyHeaderReader::Step ProxyHeaderReader::feed(std::span<const std::byte> bytes) {
  POLYIO_ASSERT(error_.empty());
  for (std::size_t used = 0; used < bytes.size();) {
    held_ += static_cast<char>(bytes[used++]);
    const Progress progress = take();
    if (progress != Progress::need_more) return {progress, used};
  }
  return {Progress::need_more, bytes.size()};
}

ProxyHeaderReader::Progress ProxyHeaderReader::refuse(std::string_view why) noexcept {
  error_ = why;
  return Progress::error;
}

// After each byte.
ProxyHeaderReader::Progress ProxyHeaderReader::take() {
  const std::string_view held = held_;
  if (v2_start.starts_with(held.substr(0, v2_start.size()))) return take_v2();
  if (!v1_start.starts_with(held.substr(0, v1_start.size()))) {
    return refuse("no PROXY header, which this port begins with");
  }
  if (held.ends_with("\r\n")) return finish_v1();
  if (held.ends_with('\n') || held.size() == max_v1) return refuse("a PROXY line without an end");
  return Progress::need_more;
}

ProxyHeaderReader::Progress ProxyHeaderReader::finish_v1() {
  std::string_view rest = held_;
  rest = rest.substr(v1_start.size(), held_.size() - v1_start.size() - 2);
  const std::string_view family = rest.substr(0, rest.find(' '));
  if (family == "UNKNOWN") return Progress::complete;
  if (family != "TCP4" && family != "TCP6") return refuse("a PROXY line of an unknown family");
  std::array<std::string_view, 5> words;
  for (std::string_view& word : words) {
    word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(word.size() + 1, rest.size()));
  }
  const bool v4 = family == "TCP4";
  const auto is_address = [v4](std::string_view text) {
    return IpAddress::parse(text).has_value() && text.contains(':') != v4;
  };
  const auto port = number(words[3], 0xffff);
  if (!rest.empty() || held_.ends_with(" \r\n") || !is_address(words[1]) || !is_address(words[2]) ||
      !port || !number(words[4], 0xffff)) {
    return refuse("a PROXY line with malformed addresses");
  }
  source_ = {v4 ? ProxySource::Family::ipv4 : ProxySource::Family::ipv6,
             IpAddress::parse(words[1])->text(), static_cast<std::uint16_t>(*port)};
  return Progress::complete;
}

ProxyHeaderReader::Progress ProxyHeaderReader::take_v2() {
  if (held_.size() < v2_fixed) return Progress::need_more;
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(held_[i]); };
  const std::size_t size = v2_fixed + (static_cast<std::size_t>(byte(14)) << 8 | byte(15));
  if (size > max_v2) return refuse("a PROXY header that is too long");
  return held_.size() == size ? finish_v2() : Progress::need_more;
}

ProxyHeaderReader::Progress ProxyHeaderReader::finish_v2() {
  using Family = ProxySource::Family;
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(held_[i]); };
  if (byte(12) != 0x20 && byte(12) != 0x21) return refuse("a PROXY header of an unknown version");
  const unsigned family = byte(13) >> 4, transport = byte(13) & 15;
  if (family > 3 || transport > 2) return refuse("a PROXY header of an unknown family");
  if (byte(12) == 0x20 || family == 0 || transport == 0) return Progress::complete;
  constexpr std::size_t addresses[] = {0, 12, 36, 216};
  if (held_.size() < v2_fixed + addresses[family])
    return refuse("a PROXY header without addresses");
  if (family == 3) {
    source_ = {Family::unix_socket, "unix", 0};
    return Progress::complete;
  }
  const std::size_t length = family == 1 ? 4 : 16;
  IpAddress address = *IpAddress::parse("0.0.0.0");
  for (std::size_t i = 0; i < length; ++i) address.bytes[16 - length + i] = byte(v2_fixed + i);
  const std::size_t port = v2_fixed + 2 * length;
  source_ = {family == 1 ? Family::ipv4 : Family::ipv6, address.text(),
             static_cast<std::uint16_t>(byte(port) << 8 | byte(port + 1))};
  return Progress::complete;
}

std::string forwarded_for(const Request& request, std::string_view peer,
                          std::span<const Network> trusted, std::string_view header) {
  std::string source(peer);
  const std::string list = request.joined(header);
  const bool rfc7239 = equal_ignoring_case(header, "Forwarded");
  std::vector<std::string_view> hops;
  for (std::string_view rest = list; !rest.empty();) {
    hops.push_back(take_part(rest, ',', rfc7239));
  }
  while (!hops.empty() && any_contains(trusted, source)) {
    const auto address = parse_element(hops.back(), rfc7239);
    if (!address) break;
    source = address->text();
    hops.pop_back();
  }
  return source;
}

}  // namespace polyio::proto
