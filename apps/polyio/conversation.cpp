#include "conversation.hpp"

#include <optional>
#include <polyio/exec/offload.hpp>
#include <polyio/exec/readable.hpp>
#include <polyio/io/task_group.hpp>
#include <polyio/os/file.hpp>
#include <polyio/os/signals.hpp>
#include <polyio/selectors/poll_selector.hpp>
#include <vector>

#include "terminal.hpp"

namespace polyio::app {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t chunk_size = 64 * 1024;
constexpr std::size_t pipe_piece = 4096;  // what a pipe takes at once when poll(2) says writable
constexpr auto line_patience = 50ms;      // for the rest of a line; then what is there is shown
constexpr auto farewell_patience = 5s;    // of silence, for the server to close after our end

int connection_broke(std::error_code error) {
  return give_up("the connection broke: " + error.message());
}

// Blocks, so it runs beside the loop. Waits by itself in case whoever shares the descriptor has
// made it non-blocking.
Result<> write_output(std::string_view text) {
  PollSelector selector;
  if (auto key = selector.register_fd(standard_output, event_write); !key) return fail(key.error());
  while (!text.empty()) {
    if (auto ready = selector.select(); !ready) return fail(ready.error());
    const std::string_view piece = text.substr(0, pipe_piece);
    const auto written = os::write_all(standard_output, std::as_bytes(std::span(piece)));
    if (!written && written.error() == std::errc::resource_unavailable_try_again) continue;
    if (!written) return written;
    text.remove_prefix(piece.size());
  }
  return {};
}

// Until `output` has ended.
template <class Conversation>
Task<> side_by_side(Io& io, Conversation& talk, Task<> (Conversation::*input)(), Task<> output) {
  auto both = [&](TaskGroup& group) -> Task<> {
    (void)group.spawn(input, talk);  // this model has tasks
    co_await output;
    group.cancel();
  };
  co_await with_task_group(io, both);
}

// The conversation in pipes.
class Relay {
 public:
  explicit Relay(Stream stream) : io_(stream.io()), stream_(std::move(stream)) {}

  Task<int> run() {
    co_await side_by_side(io_, *this, &Relay::send_input, print_received());
    if (output_error_) co_return give_up("can't write the output: " + output_error_.message());
    if (error_) co_return connection_broke(error_);
    if (!cut_) co_return 0;
    co_return give_up("the server closed the connection before it had taken everything");
  }

 private:
  Task<> send_input() {
    std::vector<std::byte> room(chunk_size);
    for (;;) {
      auto ready = co_await readable(io_, standard_input);
      if (!ready) break;  // the server has closed
      const auto count = os::read(standard_input, room);
      if (!count && count.error() == std::errc::resource_unavailable_try_again) continue;
      if (count.value_or(0) == 0) break;
      auto sent = co_await stream_.send_all(std::span(room).first(*count));
      cut_ = !sent;  // receiving gives the reason, after what the server may have sent before
      if (cut_) co_return;
    }
    (void)stream_.shutdown_send();
  }

  Task<> print_received() {
    const bool to_terminal = os::is_terminal(standard_output);
    Printable printable;
    for (bool open = true; open && !output_error_;) {
      auto chunk = co_await stream_.receive();
      if (!chunk) error_ = chunk.error();
      open = chunk && !chunk->empty();
      std::string text(open ? chunk->text() : "");
      if (to_terminal) text = open ? printable.take(text) : printable.finish();
      if (text.empty()) continue;
      auto write = [&text] { return write_output(text); };
      auto written = co_await offload(io_, write);
      if (!written) output_error_ = written.error();
    }
  }

  Io& io_;
  Stream stream_;
  bool cut_ = false;  // the server does not take any more, and something was left
  std::error_code error_, output_error_;
};

// The conversation on a terminal: what the server sends appears above the line being typed.
class Talk {
 public:
  Talk(Stream stream, std::string_view target) : io_(stream.io()), stream_(std::move(stream)) {
    prompt_->print(fmt::format("-- connected to {}; quit or Ctrl-D leaves", target));
  }

  Task<int> run() {
    co_await side_by_side(io_, *this, &Talk::send_lines, show_received());
    prompt_.reset();  // the terminal is as it was before
    co_return error_ ? connection_broke(error_) : result_;
  }

 private:
  void take_signal(int number) {
    if (result_) return;
    if (number == SIGCONT || number == SIGWINCH) return prompt_->redraw();
    result_ = 128 + number;
    io_.cancel_all();
  }

  Task<> send_lines() {
    for (bool open = true; open;) {
      auto ready = co_await readable(io_, standard_input);
      if (!ready) co_return;
      const Prompt::Typed typed = prompt_->read();
      open = !typed.ended;
      std::string text;
      for (const std::string& line : typed.lines) {
        if (line == "quit") open = false;
        if (open && !line.empty()) text += line + "\n";
      }
      if (text.empty()) continue;
      (void)co_await stream_.send_all(text);  // receiving gives the reason
    }
    co_await leave();
  }

  // Ends our side and waits for the server to close, as any protocol understands, until it has been
  // silent for a while.
  Task<> leave() {
    leaving_ = true;
    (void)stream_.shutdown_send();
    heard_ = monotonic_now();
    for (Nanoseconds left = farewell_patience; left > 0ns;
         left = heard_ + farewell_patience - monotonic_now()) {
      auto slept = co_await io_.sleep(left);
      if (!slept) co_return;
    }
    prompt_->print("-- the server did not close in time");
    io_.cancel_all();
  }

  Task<> show_received() {
    for (;;) {
      CancelScope patience(io_, show_at_);
      auto chunk = co_await stream_.receive();
      if (chunk && !chunk->empty()) {
        show(chunk->text());
        continue;
      }
      show_rest();
      if (patience.timed_out()) continue;
      if (leaving_ || result_) co_return;  // it was asked to close, or a signal ended this
      if (!chunk) error_ = chunk.error();
      if (chunk) prompt_->print("-- the server closed the connection");
      co_return;
    }
  }

  void show(std::string_view bytes) {
    text_ += printable_.take(bytes);
    heard_ = monotonic_now();
    const std::size_t end = text_.rfind('\n');
    if (end != text_.npos) {
      prompt_->print(std::string_view(text_).substr(0, end + 1));
      text_.erase(0, end + 1);
      show_at_ = never;
    }
    if (text_.size() > chunk_size) show_rest();
    if (!text_.empty() && show_at_ == never) show_at_ = monotonic_now() + line_patience;
  }

  void show_rest() {
    text_ += printable_.finish();
    if (!text_.empty()) prompt_->print(text_);
    text_.clear();
    show_at_ = never;
  }

  Io& io_;
  // A call that comes late is dropped: the Io runs nothing once the conversation is over.
  os::SignalWatcher watcher_{
      {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGCONT, SIGWINCH},
      [this](int number) { io_.post([this, number] { take_signal(number); }); }};
  Stream stream_;
  std::optional<Prompt> prompt_{std::in_place};
  Printable printable_;
  bool leaving_ = false;
  TimePoint heard_;   // when the server last sent something
  std::string text_;  // received: a line without its end
  Deadline show_at_ = never;
  int result_ = 0;
  std::error_code error_;
};

}  // namespace

Task<int> converse(Stream stream, std::string target) {
  if (Prompt::possible()) {
    Talk conversation(std::move(stream), target);
    co_return co_await conversation.run();
  }
  Relay conversation(std::move(stream));
  co_return co_await conversation.run();
}

}  // namespace polyio::app
