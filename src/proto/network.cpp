#include <polyio/proto/network.hpp>

#include <fmt/format.h>

#include <utility>

#include "ascii.hpp"

namespace polyio::proto {
namespace {

constexpr std::array<std::uint8_t, 12> v4_prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool parse_v4(std::string_view text, std::span<std::uint8_t> into) noexcept {
  if (std::ranges::count(text, '.') != 3) return false;
  for (std::uint8_t& byte : into) {
    const auto value = number(text.substr(0, text.find('.')), 255);
    if (!value) return false;
    byte = static_cast<std::uint8_t>(*value);
    text.remove_prefix(std::min(text.find('.'), text.size() - 1) + 1);
  }
  return true;
}

// The groups of `text` up to its end or a second ':', which makes the gap.
struct Groups {
  std::array<std::uint8_t, 16> bytes{};
  std::size_t size = 0;
  std::optional<std::size_t> gap;

  bool add(std::string_view group, bool last) noexcept {
    if (last && group.contains('.')) {
      size += 4;
      return size <= 16 && parse_v4(group, std::span(bytes).subspan(size - 4, 4));
    }
    const auto value = number(group, 0xffff, 16);
    if (!value || size + 2 > 16) return false;
    bytes[size++] = static_cast<std::uint8_t>(*value >> 8);
    bytes[size++] = static_cast<std::uint8_t>(*value);
    return true;
  }
};

bool parse_v6(std::string_view text, std::array<std::uint8_t, 16>& into) noexcept {
  Groups groups;
  if (text.starts_with("::")) {
    groups.gap = 0;
    text.remove_prefix(2);
  }
  while (!text.empty()) {
    const std::size_t colon = text.find(':');
    if (!groups.add(text.substr(0, colon), colon == text.npos)) return false;
    if (colon == text.npos) break;
    text.remove_prefix(colon + 1);
    if (text.starts_with(':')) {
      if (std::exchange(groups.gap, groups.size)) return false;
      text.remove_prefix(1);
    } else if (text.empty()) {
      return false;
    }
  }
  if (groups.gap.has_value() == (groups.size == 16)) return false;
  into = groups.bytes;
  if (groups.gap) {
    const auto gap = into.begin() + static_cast<std::ptrdiff_t>(*groups.gap);
    std::rotate(gap, into.begin() + static_cast<std::ptrdiff_t>(groups.size), into.end());
  }
  return true;
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) noexcept {
  IpAddress address;
  std::ranges::copy(v4_prefix, address.bytes.begin());
  if (parse_v4(text, std::span(address.bytes).subspan(12))) return address;
  return parse_v6(text, address.bytes) ? std::optional(address) : std::nullopt;
}

bool IpAddress::is_v4() const noexcept {
  return std::ranges::equal(std::span(bytes).first(v4_prefix.size()), v4_prefix);
}

std::string IpAddress::text() const {
  if (is_v4()) return fmt::format("{}.{}.{}.{}", bytes[12], bytes[13], bytes[14], bytes[15]);
  const auto group = [this](std::size_t i) { return bytes[2 * i] << 8 | bytes[2 * i + 1]; };
  std::size_t gap = 0, gap_size = 1;  // the first of the longest runs of zeros
  for (std::size_t i = 0, run = 0; i < 8; ++i) {
    run = group(i) == 0 ? run + 1 : 0;
    if (run <= gap_size) continue;
    gap_size = run;
    gap = i + 1 - run;
  }
  std::string out;
  for (std::size_t i = 0; i < 8; ++i) {
    if (gap_size > 1 && i == gap) {
      out += "::";
      i += gap_size - 1;
      continue;
    }
    if (!out.empty() && !out.ends_with(':')) out += ':';
    out += fmt::format("{:x}", group(i));
  }
  return out;
}

std::expected<Network, std::string> Network::parse(std::string_view text) {
  Network network;
  if (text == "unix") return network;
  const std::size_t slash = text.find('/');
  network.address_ = IpAddress::parse(text.substr(0, slash));
  if (network.address_) {
    const unsigned most = network.address_->is_v4() ? 32 : 128;
    const auto bits = slash == text.npos ? most : number(text.substr(slash + 1), most);
    network.bits_ = bits.value_or(0) + 128 - most;
    if (bits) return network;
  }
  return std::unexpected("write an address (::1), a network (10.0.0.0/8) or unix");
}

bool Network::contains(std::string_view host) const noexcept {
  if (!address_) return host == "unix";
  const auto other = IpAddress::parse(host);
  if (!other) return false;
  const std::size_t whole = bits_ / 8;
  if (!std::equal(other->bytes.begin(), other->bytes.begin() + static_cast<std::ptrdiff_t>(whole),
                  address_->bytes.begin())) {
    return false;
  }
  return bits_ % 8 == 0 || (other->bytes[whole] ^ address_->bytes[whole]) >> (8 - bits_ % 8) == 0;
}

bool any_contains(std::span<const Network> networks, std::string_view host) noexcept {
  return std::ranges::any_of(networks, [&](const Network& n) { return n.contains(host); });
}

}  // namespace polyio::proto
