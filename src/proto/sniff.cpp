#include <polyio/proto/sniff.hpp>

#include <array>
#include <utility>

#include "ascii.hpp"

namespace polyio::proto {
namespace {

constexpr std::array<std::string_view, 10> known_methods = {
    "GET ",     "HEAD ",    "POST ",  "PUT ",   "DELETE ",
    "CONNECT ", "OPTIONS ", "TRACE ", "PATCH ", "PRI "};

// `start` is a known method and a space, or as much of one as there are bytes.
bool may_be_request(std::string_view start) noexcept {
  for (const std::string_view method : known_methods) {
    if (starts_ignoring_case(start, method.substr(0, start.size()))) return true;
  }
  return false;
}

constexpr char tls_handshake = 0x16;

// What a first line too long to be looked at whole is.
Protocol judge_overlong(std::string_view start) noexcept {
  const std::string_view target = start.substr(start.find(' ') + 1);
  const bool http = target.starts_with('/') || starts_ignoring_case(target, "http");
  return http ? Protocol::http : Protocol::line;
}

}  // namespace

bool is_http_request_line(std::string_view line) noexcept {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == line.npos || first == last) return false;
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  const auto in_target = [](char c) { return !is_control(c) && c != ' '; };
  return is_token(line.substr(0, first)) && !target.empty() &&
         std::ranges::all_of(target, in_target) && version.size() == 8 &&
         starts_ignoring_case(version, "HTTP/") && is_digit(version[5]) && version[6] == '.' &&
         is_digit(version[7]);
}

// `bytes` is everything so far, but no more than the first line with its '\n', or than decides.
Protocol Sniffer::decide(std::string_view bytes) const {
  if (bytes.front() == tls_handshake) return Protocol::tls;
  if (!may_be_request(bytes.substr(0, 8))) return Protocol::line;
  const bool whole = bytes.ends_with('\n');
  std::string_view line = bytes.substr(0, bytes.size() - (whole ? 1 : 0));
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.size() > max_first_line) return judge_overlong(line);
  if (!whole) return Protocol::undecided;
  return is_http_request_line(bytes) ? Protocol::http : Protocol::line;
}

Protocol Sniffer::feed(std::span<const std::byte> bytes) {
  if (protocol_ != Protocol::undecided || bytes.empty()) return protocol_;
  const std::string_view input(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::size_t wanted = max_first_line + 2 - held_.size();
  const std::size_t newline = input.substr(0, wanted).find('\n');
  const std::string_view piece = input.substr(0, newline == input.npos ? wanted : newline + 1);
  if (held_.empty()) {
    protocol_ = decide(piece);
    if (protocol_ == Protocol::undecided) held_ = piece;
    return protocol_;
  }
  const std::size_t before = held_.size();
  held_.append(piece);
  protocol_ = decide(held_);
  if (protocol_ != Protocol::undecided) held_.resize(before);
  return protocol_;
}

Protocol Sniffer::finish() noexcept {
  if (protocol_ == Protocol::undecided) protocol_ = Protocol::line;
  return protocol_;
}

std::string Sniffer::take_held() noexcept { return std::exchange(held_, {}); }

}  // namespace polyio::proto
