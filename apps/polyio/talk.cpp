#include <array>
#include <atomic>
#include <polyio/os/signals.hpp>
#include <polyio/os/wakeup.hpp>

#include "conversation.hpp"
#include "terminal.hpp"

namespace polyio::app {
namespace {

using namespace std::chrono_literals;

constexpr auto line_patience = 50ms;    // for the rest of a line; then what is there is shown
constexpr auto farewell_patience = 5s;  // for the server to close once it was told the end

// A person's conversation: what the server sends appears above the line being typed.
class Talk {
 public:
  Talk(os::UniqueFd socket, const std::string& target) : peer_(std::move(socket)) {
    prompt_.print(fmt::format("-- connected to {}; quit or Ctrl-D leaves", target));
  }

  int run() {
    while (!result_) {
      watch(selector_, standard_input,
            input_open_ && peer_.waiting() < chunk_size ? event_read : 0);
      watch(selector_, peer_.fd(), event_read | (peer_.wants_to_write() ? event_write : 0));
      watch(selector_, wakeup_.fd(), event_read);
      const Deadline next = std::min(show_at_, leave_at_);
      const auto events = selector_.select(timeout_until(next, monotonic_now()));
      if (!events) return give_up(events.error().message());
      for (const SelectorEvent& event : *events) handle(event);
      const TimePoint now = monotonic_now();
      if (show_at_ <= now) show_rest();
      if (leave_at_ <= now && !result_) {
        prompt_.print("-- the server did not close in time");
        result_ = 0;
      }
    }
    return *result_;
  }
  // Why the connection ended, when that was an error; to be told once the terminal is its own
  // again.
  std::error_code error() const noexcept { return error_; }

 private:
  void handle(const SelectorEvent& event) {
    if (result_) return;
    if (event.key.fd == wakeup_.fd()) {
      take_signals();
    } else if (event.key.fd == standard_input) {
      read_keys();
    } else {
      if (event.mask & event_write) peer_.write();
      if (event.mask & event_read) read_peer();
    }
  }

  void take_signals() {
    wakeup_.drain();
    const unsigned arrived = signals_.exchange(0);
    for (const int number : {SIGINT, SIGQUIT, SIGTERM, SIGHUP}) {
      if (arrived & 1u << number) result_ = 128 + number;
    }
    if (!result_) prompt_.redraw();
  }

  void read_keys() {
    const Prompt::Typed typed = prompt_.read();
    for (const std::string& line : typed.lines) {
      if (line.empty()) continue;
      if (line == "quit") return leave();
      peer_.push(line + "\n");
    }
    if (typed.ended) return leave();
    peer_.write();
  }

  // Tells the server the end, and waits for it to close: any protocol understands that.
  void leave() {
    input_open_ = false;
    peer_.end();
    peer_.write();
    leave_at_ = monotonic_now() + farewell_patience;
  }

  void read_peer() {
    const auto bytes = peer_.read(room_);
    if (bytes && !*bytes) return;
    if (!bytes || (*bytes)->empty()) return closed(bytes ? std::error_code() : bytes.error());
    text_ += printable_.take(**bytes);
    if (!input_open_) leave_at_ = monotonic_now() + farewell_patience;
    const std::size_t end = text_.rfind('\n');
    if (end != text_.npos) {
      prompt_.print(std::string_view(text_).substr(0, end + 1));
      text_.erase(0, end + 1);
      show_at_ = never;
    }
    if (text_.size() > chunk_size) show_rest();
    if (!text_.empty() && show_at_ == never) show_at_ = monotonic_now() + line_patience;
  }

  void show_rest() {
    text_ += printable_.finish();
    if (!text_.empty()) prompt_.print(text_);
    text_.clear();
    show_at_ = never;
  }

  void closed(std::error_code error) {
    show_rest();
    result_ = 0;
    if (!input_open_) return;  // it was asked to
    error_ = error;
    if (!error) prompt_.print("-- the server closed the connection");
  }

  os::Wakeup wakeup_;
  std::atomic<unsigned> signals_{0};
  os::SignalWatcher watcher_{{SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGCONT, SIGWINCH},
                             [this](int number) {
                               signals_.fetch_or(1u << number);
                               wakeup_.signal();
                             }};
  PollSelector selector_;
  Peer peer_;
  Prompt prompt_;
  Printable printable_;
  bool input_open_ = true;
  Deadline leave_at_ = never;  // and when the server may take no longer
  std::string text_;           // received: a line without its end
  Deadline show_at_ = never;
  std::optional<int> result_;
  std::error_code error_;
  std::array<std::byte, chunk_size> room_;
};

}  // namespace

int talk(os::UniqueFd socket, const std::string& target) {
  std::error_code error;
  int result = 0;
  {
    Talk conversation(std::move(socket), target);
    result = conversation.run();
    error = conversation.error();
  }
  return error ? connection_broke(error) : result;
}

}  // namespace polyio::app
