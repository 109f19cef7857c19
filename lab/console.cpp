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

namespace polyio::lab {
namespace {

constexpr auto job_check = std::chrono::milliseconds(500);  // in the background: is it back?

constexpr std::string_view prompt_text = ">>>";

std::string printed(std::string_view line) {
  return std::string(line) + (line == prompt_text ? "" : "\n");
}

std::string_view trimmed(std::string_view line) {
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  return line.substr(0, line.find_last_not_of(" \t") + 1);
}

}  // namespace

void Console::list_threads() {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    output_.write(fmt::format("thread {} {}", name, task.path().filename().string()));
  }
}

void Console::change_model(std::string_view name) {
  try {
    if (name.empty()) return output_.write(fmt::format("model {}", server_.model()));
    const ModelChange change = server_.set_model(name);
    output_.write(fmt::format("model {}, after {}: {} connections, a pause of {:.1f} ms",
                              change.now, change.before, change.connections,
                              std::chrono::duration<double, std::milli>(change.pause).count()));
  } catch (const std::exception& error) {
    output_.write(error.what());
  }
}

// True: it is `quit`.
bool Console::obey(std::string_view line) {
  line = trimmed(line);
  const std::string_view word = line.substr(0, line.find_first_of(" \t"));
  if (line == "quit") return true;
  if (word == "model") {
    change_model(trimmed(line.substr(word.size())));
  } else {
    list_threads();
  }
  return false;
}

// True: `quit` was among the lines.
bool Console::take(proto::LineReader& reader, std::span<const std::byte> bytes) {
  reader.feed(bytes);
  while (auto line = reader.next()) {
    if (*line ? obey(**line) : obey("")) return true;
  }
  if (!bytes.empty()) return false;
  const auto last = reader.finish();  // at the end the newline may be missing
  return last && *last && obey(**last);
}

void Console::prompt() {
  if (os::is_terminal(os::standard_input)) output_.write(prompt_text);
}

Console::Console(Server& server)
    : server_(server), output_(os::standard_output, printed), thread_([this] { read(); }) {}

Console::~Console() {
  end_.signal();
  thread_.join();
}

void Console::read() {
  os::name_thread("console");
  PollSelector selector;
  proto::LineReader reader(4096);
  std::array<std::byte, 4096> room;
  if (!selector.register_fd(os::standard_input, event_read)) return;  // closed
  if (!selector.register_fd(end_.fd(), event_read)) return;
  prompt();
  for (bool ours = true;; ours = os::may_read(os::standard_input)) {
    if (!ours) (void)selector.unregister(os::standard_input);
    auto events = selector.select(ours ? Timeout() : job_check);
    if (!events) return;
    for (const SelectorEvent& event : *events) {
      if (event.key.fd == end_.fd()) return;
    }
    if (!ours) (void)selector.register_fd(os::standard_input, event_read);
    if (events->empty() || !os::may_read(os::standard_input)) continue;
    const auto count = os::read(os::standard_input, room);
    if (take(reader, std::span(room).first(count.value_or(0)))) return server_.stop();
    if (count.value_or(0) == 0) return;
    prompt();
  }
}

}  // namespace polyio::lab
