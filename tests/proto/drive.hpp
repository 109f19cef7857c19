// Drives each parser of the room over an input cut into chunks and writes down what it answers, one
// string per event. Tests and fuzzers compare these logs: how the bytes are cut must not change
// them. Every chunk lives in a heap block of its own, freed before the next: ASan sees a view kept
// too long.
#pragma once

#include <fmt/format.h>
#include <polyio/proto/handshake.hpp>
#include <polyio/proto/line.hpp>
#include <polyio/proto/proxy.hpp>
#include <polyio/proto/sniff.hpp>
#include <polyio/proto/text.hpp>
#include <polyio/proto/websocket.hpp>

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace polyio::proto::test {

using Chunks = std::vector<std::string_view>;
using Log = std::vector<std::string>;

class OwnCopy {
 public:
  explicit OwnCopy(std::string_view text)
      : size_(text.size()), bytes_(std::make_unique<std::byte[]>(size_)) {
    if (size_ > 0) std::memcpy(bytes_.get(), text.data(), size_);
  }
  std::span<const std::byte> bytes() const { return {bytes_.get(), size_}; }

 private:
  std::size_t size_;
  std::unique_ptr<std::byte[]> bytes_;
};

inline Chunks cut_at(std::string_view input, std::size_t at) {
  return {input.substr(0, at), input.substr(at)};
}
inline Chunks cut_every(std::string_view input, std::size_t size) {
  Chunks chunks;
  for (; !input.empty(); input.remove_prefix(std::min(size, input.size()))) {
    chunks.push_back(input.substr(0, size));
  }
  return chunks;
}

inline std::string describe(const Result<std::string_view>& line) {
  if (line) return fmt::format("line {}:{}", line->size(), *line);
  return line.error() == make_error_code(Errc::line_too_long) ? "too long" : "other error";
}

inline Log line_log(const Chunks& chunks, std::size_t max_line = LineReader::default_max_line) {
  LineReader reader(max_line);
  Log log;
  for (const std::string_view chunk : chunks) {
    const OwnCopy copy(chunk);
    reader.feed(copy.bytes());
    while (const auto line = reader.next()) log.push_back(describe(*line));
    if (reader.held() > max_line + 1) log.push_back("holds too much");
  }
  if (const auto line = reader.finish()) log.push_back("last " + describe(*line));
  if (reader.finish()) log.push_back("finished twice");
  return log;
}

inline std::string describe(const Request& r) {
  std::string out = fmt::format("{} {} path={} 1.{} keep={} body={}", r.method, r.target, r.path,
                                r.minor_version, r.keep_alive, r.body);
  for (const Header& h : r.headers) out += fmt::format(" [{}={}]", h.name, h.value);
  return out;
}

inline Log http_log(const Chunks& chunks, HttpLimits limits = {}) {
  using Progress = RequestParser::Progress;
  RequestParser parser(limits);
  Log log;
  for (const std::string_view chunk : chunks) {
    const OwnCopy copy(chunk);
    for (auto left = copy.bytes(); !left.empty();) {
      const auto [progress, consumed] = parser.feed(left);
      left = left.subspan(consumed);
      if (progress == Progress::error) {
        log.push_back(fmt::format("error {} {}", parser.error().status, parser.error().reason));
        return log;
      }
      if (progress == Progress::complete) log.push_back(describe(parser.take_request()));
      if (progress == Progress::need_more && !left.empty()) log.push_back("stopped early");
    }
  }
  if (!parser.idle()) log.push_back("unfinished");
  return log;
}

inline Log proxy_log(const Chunks& chunks) {
  using Progress = ProxyHeaderReader::Progress;
  ProxyHeaderReader reader;
  Log log;
  std::string rest;
  for (const std::string_view chunk : chunks) {
    const OwnCopy copy(chunk);
    std::size_t used = 0;
    if (log.empty() && !chunk.empty()) {
      const auto [progress, consumed] = reader.feed(copy.bytes());
      used = consumed;
      const ProxySource& source = reader.source();
      constexpr const char* names[] = {"none", "ipv4", "ipv6", "unix"};
      if (progress == Progress::error) return {fmt::format("error {}", reader.error())};
      if (progress == Progress::complete) {
        log.push_back(fmt::format("{} {} {}", names[static_cast<int>(source.family)], source.host,
                                  source.port));
      }
    }
    rest += chunk.substr(used);
  }
  if (log.empty()) return {"unfinished"};
  log.push_back(rest);
  return log;
}

inline std::string describe(const WebSocketEvent& event) {
  constexpr const char* names[] = {"message", "ping", "pong", "close"};
  if (event.kind == WebSocketEvent::Kind::error) {
    return fmt::format("error {} {}", event.code, event.payload);
  }
  return fmt::format("{} {} {}:{}", names[static_cast<int>(event.kind)], event.code,
                     event.payload.size(), event.payload);
}

inline Log websocket_log(const Chunks& chunks,
                         WebSocketReader::Role role = WebSocketReader::Role::server,
                         std::size_t max_message = WebSocketReader::default_max_message,
                         WebSocketReader::Compression compression = {}) {
  WebSocketReader reader(role, max_message, WebSocketReader::Messages::text, compression);
  Log log;
  for (const std::string_view chunk : chunks) {
    const OwnCopy copy(chunk);
    reader.feed(copy.bytes());
    while (const auto event = reader.next()) log.push_back(describe(*event));
  }
  if (reader.mid_message()) log.push_back("unfinished");
  return log;
}

inline Log sniff_log(const Chunks& chunks) {
  Sniffer sniffer;
  std::string passed_on;  // what the caller would hand to the protocol's parser
  for (const std::string_view chunk : chunks) {
    const OwnCopy copy(chunk);
    if (sniffer.feed(copy.bytes()) == Protocol::undecided) continue;
    passed_on += sniffer.take_held();
    passed_on += chunk;
  }
  const bool decided = sniffer.protocol() != Protocol::undecided;
  const Protocol at_end = sniffer.finish();
  passed_on += sniffer.take_held();
  constexpr const char* names[] = {"undecided", "line", "http", "tls"};
  return {names[static_cast<int>(at_end)], decided ? "early" : "at end", passed_on};
}

}  // namespace polyio::proto::test
