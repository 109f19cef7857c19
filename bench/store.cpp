// The chat's store: messages a second by the size of a batch, and how long a search takes.
//
//   store FOLDER [MESSAGES]   in a new database there, which it removes
#include <fmt/format.h>

#include <chat/store/store.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <type_traits>

using namespace polyio::chat;
using Clock = std::chrono::steady_clock;

namespace {

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

template <class T>
T value(Stored<T> stored) {
  if (!stored) throw std::runtime_error(stored.error().text);
  if constexpr (!std::is_void_v<T>) return std::move(*stored);
}

// `count` messages of some 60 bytes in `rooms`, which share 1,000 words; messages a second.
double write(Store& store, const std::vector<RoomId>& rooms, std::size_t count, std::size_t batch) {
  std::vector<Store::Draft> drafts(batch);
  std::vector<Store::Draft*> pointers;
  pointers.reserve(batch);
  for (auto& draft : drafts) pointers.push_back(&draft);
  const auto start = Clock::now();
  std::uint64_t at = 0;
  for (std::size_t done = 0; done < count; done += batch) {
    for (auto& draft : drafts) {
      ++at;
      draft.entry = {.room = rooms[at % rooms.size()],
                     .time_ms = static_cast<std::int64_t>(at),
                     .author = 1,
                     .name = "ann",
                     .text = fmt::format("the message {} has word{} and word{} and the rest of it",
                                         at, at * 7 % 1000, at * 13 % 1000)};
    }
    value(store.append(pointers));
  }
  return static_cast<double>(count) / seconds_since(start);
}

}  // namespace

int main(int count, char** words) try {
  if (count < 2) {
    fmt::print(stderr, "store FOLDER [MESSAGES], as in: store /var/tmp 200000\n");
    return 2;
  }
  const std::size_t messages = count > 2 ? std::strtoull(words[2], nullptr, 10) : 100'000;
  const auto folder = std::filesystem::path(words[1]) / "polyio-store-bench";
  std::filesystem::create_directories(folder);
  {
    const auto store = value(Store::open({.path = (folder / "chat.db").string()}));
    std::vector<RoomId> rooms{lobby_id};
    for (int i = 0; i < 9; ++i) {
      const auto name = fmt::format("#room{}", i);
      rooms.push_back(value(store->add_room({.name = name}, name)));
    }
    for (const std::size_t batch : {1, 10, 100, 1000})
      fmt::print("batches of {:>4}: {:>8.0f} messages/s\n", batch,
                 write(*store, rooms, std::min(messages, batch * 2000), batch));
    write(*store, rooms, messages, 1000);
    for (const char* query : {"the", "word7", "the message", "\"and the rest\"", "word*", "mes*",
                              "word7 word13", "nowhere"}) {
      const auto start = Clock::now();
      const auto found = value(store->search({.words = query, .rooms = rooms}));
      fmt::print("{:<16} {:>3} found in {:.2f} ms\n", query, found.size(),
                 seconds_since(start) * 1000);
    }
  }
  std::filesystem::remove_all(folder);
} catch (const std::exception& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 1;
}
