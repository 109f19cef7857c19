#include "console.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <polyio/os/file.hpp>
#include <polyio/os/signals.hpp>
#include <polyio/proto/line.hpp>
#include <polyio/selectors/poll_selector.hpp>

#include "terminal.hpp"

namespace polyio::app {
namespace {

constexpr auto job_check = std::chrono::milliseconds(500);  // in the background: is it back?

constexpr std::string_view prompt_text = ">>>";

std::string printed(std::string_view line) {
  return std::string(line) + (line == prompt_text ? "" : "\n");
}

bool is_quit(std::string_view line) {
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  return line.substr(0, line.find_last_not_of(" \t") + 1) == "quit";
}

}  // namespace

void Console::list_threads() {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    output_.write(fmt::format("thread {} {}", name, task.path().filename().string()));
  }
}

// True: `quit` was among the lines.
bool Console::take(proto::LineReader& reader, std::span<const std::byte> bytes) {
  reader.feed(bytes);
  while (auto line = reader.next()) {
    if (*line && is_quit(**line)) return true;
    list_threads();
  }
  if (!bytes.empty()) return false;
  const auto last = reader.finish();  // at the end `quit` may lack its newline
  return last && *last && is_quit(**last);
}

void Console::prompt() {
  if (os::is_terminal(standard_input)) output_.write(prompt_text);
}

Console::Console(std::function<void()> on_quit)
    : on_quit_(std::move(on_quit)),
      output_(standard_output, printed),
      thread_([this] { read(); }) {}

Console::~Console() {
  end_.signal();
  thread_.join();
}

void Console::read() {
  os::name_thread("console");
  PollSelector selector;
  proto::LineReader reader(4096);
  std::array<std::byte, 4096> room;
  if (!selector.register_fd(standard_input, event_read)) return;  // closed
  if (!selector.register_fd(end_.fd(), event_read)) return;
  prompt();
  for (bool ours = true;; ours = os::may_read(standard_input)) {
    if (!ours) (void)selector.unregister(standard_input);
    auto events = selector.select(ours ? Timeout() : job_check);
    if (!events) return;
    for (const SelectorEvent& event : *events) {
      if (event.key.fd == end_.fd()) return;
    }
    if (!ours) (void)selector.register_fd(standard_input, event_read);
    if (events->empty() || !os::may_read(standard_input)) continue;
    const auto count = os::read(standard_input, room);
    if (take(reader, std::span(room).first(count.value_or(0)))) return on_quit_();
    if (count.value_or(0) == 0) return;
    prompt();
  }
}

}  // namespace polyio::app
