// Writer: puts what is said into the store and then gives it to the homes. The rule: an entry gets
// its number, is kept and reaches everybody in that order, so what was seen is never lost and no
// number is used twice. One thread writes; what comes while it does goes into the next commit.
#pragma once

#include <polyio/exec/thread_pool.hpp>

#include "home.hpp"

namespace polyio::chat {

// Something said, before it has a number.
struct Draft {
  RoomPtr room;
  ClientPtr sender;
  Store::Draft what;
};

class Writer {
 public:
  struct Events {
    // A message was kept; in order, on the writer's thread. May be empty.
    std::function<void(const Room&, const Message&)> kept;
    // Messages can't be kept, for a reason that is new; empty: they are kept again.
    std::function<void(const std::string& why)> trouble;
    // One was not kept: `reason` is a sentence for its sender. On any thread.
    std::function<void(const Draft&, const std::string& reason)> refused;
  };

  // `write_inline`: on the thread of the call, for tests that must be the same each time.
  Writer(Store& store, Events events, bool write_inline);

  // Thread-safe. Throws std::bad_alloc, and then nothing was said.
  void say(Draft draft);
  // Calls `work` after what was said before, on the writer's thread. Thread-safe.
  void run(std::move_only_function<void(Store&)> work);
  ThreadPoolExecutor& pool() noexcept { return pool_; }

 private:
  struct Item {
    Draft draft;
    std::move_only_function<void(Store&)> work;
  };
  void add(Item item);
  void drain() noexcept;
  void commit(std::span<Item> items) noexcept;
  void note(const std::string& trouble);
  void refuse(const Item& item, const std::string& reason) noexcept;
  void deliver(const std::vector<Said>& said) noexcept;

  Store& store_;
  const Events events_;
  const bool inline_;
  std::mutex mutex_;
  std::vector<Item> queue_;
  bool draining_ = false;
  std::string trouble_;  // why the last commit failed
  ThreadPoolExecutor pool_{ThreadPoolOptions{.threads = 1, .name = "chat-writer"}};
};

}  // namespace polyio::chat
