#include <polyio/proto/telnet.hpp>

namespace polyio::proto {
namespace {

constexpr unsigned char end_of_subnegotiation = 240, subnegotiation = 250, will = 251, dont = 254,
                        iac = 255;

}  // namespace

bool TelnetFilter::applies(std::span<const std::byte> bytes) noexcept {
  if (state_ == State::first && !bytes.empty()) {
    state_ = bytes[0] == std::byte{iac} ? State::text : State::off;
  }
  return state_ != State::off && state_ != State::first;
}

std::string TelnetFilter::filter(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) take(std::to_integer<unsigned char>(byte), text);
  return text;
}

void TelnetFilter::take(unsigned char byte, std::string& text) {
  const auto keep = [&] {
    const bool bare_return = after_return_ && byte == 0;
    text += bare_return ? '\n' : static_cast<char>(byte);
    after_return_ = byte == '\r';
  };
  switch (state_) {
    case State::first:
    case State::off: return keep();
    case State::text:
      if (byte != iac) return keep();
      state_ = State::command;
      return;
    case State::command:
      state_ = State::text;
      if (byte == iac) return keep();
      if (byte >= will && byte <= dont) state_ = State::option;
      if (byte == subnegotiation) {
        state_ = State::inside;
        length_ = 0;
      }
      return;
    case State::option: state_ = State::text; return;
    case State::inside:
      if (!broken()) ++length_;
      if (byte == iac) state_ = State::inside_command;
      return;
    case State::inside_command:
      state_ = byte == end_of_subnegotiation ? State::text : State::inside;
      return;
  }
}

}  // namespace polyio::proto
