// A folder for one test's database, and entries to write to it. In memory where that can be: the
// death of a process loses no file there, and a commit waits for no disk.
#pragma once

#include <gtest/gtest.h>

#include <chat/store/store.hpp>
#include <filesystem>
#include <string>
#include <vector>

namespace polyio::chat_test {

class Folder {
 public:
  Folder() {
    std::string name = "/dev/shm/polyio-store-XXXXXX";
    if (!::mkdtemp(name.data()))
      name = (std::filesystem::temp_directory_path() / "polyio-store-XXXXXX").string();
    if (!std::filesystem::exists(name) && !::mkdtemp(name.data()))
      throw std::filesystem::filesystem_error("mkdtemp", {});
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string file(const char* name = "chat.db") const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline std::unique_ptr<chat::Store> open_store(const std::string& path) {
  auto store = chat::Store::open({.path = path});
  if (!store) ADD_FAILURE() << store.error().text;
  return store ? std::move(*store) : nullptr;
}

inline chat::Store::Draft said(std::string text, chat::PersonId author = 1,
                               chat::RoomId room = chat::lobby_id) {
  return {
      .entry = {
          .room = room, .time_ms = 1000, .author = author, .name = "ann", .text = std::move(text)}};
}

inline chat::Stored<void> append(chat::Store& store, std::span<chat::Store::Draft> drafts) {
  std::vector<chat::Store::Draft*> pointers;
  for (auto& draft : drafts) pointers.push_back(&draft);
  return store.append(pointers);
}

// The number that it got.
inline chat::Sequence append(chat::Store& store, chat::Store::Draft draft) {
  const auto done = append(store, {&draft, 1});
  EXPECT_TRUE(done) << done.error().text;
  return draft.entry.sequence;
}

inline std::vector<std::string> texts(const chat::Stored<std::vector<chat::Entry>>& entries) {
  if (!entries) return {"error: " + entries.error().text};
  std::vector<std::string> found;
  for (const auto& entry : *entries) found.push_back(entry.text);
  return found;
}

}  // namespace polyio::chat_test
