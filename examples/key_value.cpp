// A key-value store over lines: `set KEY LENGTH` and then that many bytes, `get KEY`, `quit`.
// key_value [ADDRESS [MODEL [ARCHITECTURE]]]; printf 'set a 5\nhelloget a\n' | nc -q 1 127.0.0.1
// 8083
#include <charconv>
#include <map>
#include <mutex>
#include <polyio/io/buffered_reader.hpp>
#include <polyio/server/server.hpp>

using namespace polyio;

constexpr std::size_t most_key = 250, most_value = 1 << 20;
std::mutex mutex;  // several loops share the map
std::map<std::string, std::string, std::less<>> values;

std::string get(std::string_view key) {
  const std::lock_guard lock(mutex);
  const auto place = values.find(key);
  if (place == values.end()) return "none\r\n";
  return "value " + std::to_string(place->second.size()) + "\r\n" + place->second;
}

// The answer; empty: what follows can't be understood, or there is no more.
Task<std::string> set(BufferedReader& reader, std::string_view rest) {
  const std::string key(rest.substr(0, rest.find(' ')));
  rest.remove_prefix(std::min(key.size() + 1, rest.size()));
  std::size_t length = most_value + 1;
  std::from_chars(rest.data(), rest.data() + rest.size(), length);
  if (key.size() > most_key || length > most_value) co_return "";
  auto value = co_await reader.read_exactly(length);
  if (!value) co_return "";
  const std::lock_guard lock(mutex);
  values[key].assign(reinterpret_cast<const char*>(value->data()), value->size());
  co_return "stored\r\n";
}

Task<> serve_client(Io&, Stream stream) {
  BufferedReader reader(stream);
  for (;;) {
    auto line = co_await reader.read_line(most_key + 20);
    if (!line || *line == "quit") break;
    std::string answer;
    if (line->starts_with("get ")) answer = get(line->substr(4));
    if (line->starts_with("set ")) {
      std::string stored = co_await set(reader, line->substr(4));
      answer = std::move(stored);
    }
    if (answer.empty()) break;
    auto sent = co_await stream.send_all(answer);
    if (!sent) co_return;
  }
  (void)co_await stream.finish();  // what was answered arrives, whatever is still unread
}

int main(int argc, char** argv) {
  return serve({.listen = argc > 1 ? argv[1] : "127.0.0.1:8083",
                .model = argc > 2 ? argv[2] : "auto",
                .architecture = argc > 3 ? argv[3] : ""},
               serve_client);
}
