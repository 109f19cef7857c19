#include "console.hpp"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <polyio/os/file.hpp>
#include <polyio/os/signals.hpp>
#include <polyio/os/wakeup.hpp>
#include <polyio/proto/line.hpp>
#include <polyio/selectors/poll_selector.hpp>
#include <thread>

namespace polyio::app {
namespace {

constexpr int standard_input = 0;
constexpr auto job_check = std::chrono::milliseconds(500);  // in the background: is it back?

void list_threads() {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    fmt::print("thread {} {}\n", name, task.path().filename().string());
  }
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

struct Console::State {
  std::function<void()> on_quit;
  os::Wakeup end;
  std::thread thread;

  void prompt() const {
    if (os::is_terminal(standard_input)) fmt::print(">>>");
    std::fflush(stdout);
  }

  // True: `quit` was among the lines.
  bool take(proto::LineReader& reader, std::span<const std::byte> bytes) const {
    reader.feed(bytes);
    bool quit = false;
    while (auto line = reader.next()) {
      if (*line && trimmed(**line) == "quit") quit = true;
      if (!quit) list_threads();
    }
    if (bytes.empty()) {  // the end: `quit` may lack its newline
      if (auto line = reader.finish()) quit = *line && trimmed(**line) == "quit";
    }
    return quit;
  }

  void read() {
    os::name_thread("console");
    PollSelector selector;
    proto::LineReader reader(4096);
    std::array<std::byte, 4096> room;
    if (!selector.register_fd(standard_input, event_read)) return;  // closed
    if (!selector.register_fd(end.fd(), event_read)) return;
    prompt();
    for (bool ours = true;; ours = os::may_read(standard_input)) {
      if (!ours) (void)selector.unregister(standard_input);
      auto events = selector.select(ours ? Timeout() : job_check);
      if (!events) return;
      for (const SelectorEvent& event : *events) {
        if (event.key.fd == end.fd()) return;
      }
      if (!ours) (void)selector.register_fd(standard_input, event_read);
      if (events->empty() || !os::may_read(standard_input)) continue;
      const auto count = os::read(standard_input, room);
      if (take(reader, std::span(room).first(count.value_or(0)))) return on_quit();
      if (count.value_or(0) == 0) return;
      prompt();
    }
  }
};

Console::Console(std::function<void()> on_quit)
    : state_(std::make_unique<State>(std::move(on_quit))) {
  State* const state = state_.get();
  state->thread = std::thread([state] { state->read(); });
}

Console::~Console() {
  state_->end.signal();
  state_->thread.join();
}

}  // namespace polyio::app
