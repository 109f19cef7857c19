#include "writer.hpp"

#include <thread>

namespace polyio::chat {
namespace {

// What was kept must reach everybody, so it waits here until there is memory for that.
template <class Work>
void until_there_is_memory(const Work& work) noexcept {
  for (;;) {
    try {
      return work();
    } catch (const std::bad_alloc&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
}

void on_home(Home& home, const std::function<void()>& work) noexcept {
  if (&home.io() == Io::of_this_thread()) return work();
  until_there_is_memory([&] { home.io().post(work); });
}

// Gives the entry its place at the end of its room's log.
void append(Log& log, const MessagePtr& message) {
  const std::lock_guard lock(log.mutex);
  log.recent.push_back(message);
  log.end = message->entry.sequence + 1;
  until_there_is_memory([&] { keep_change(log.recent, log.end - log.recent.size(), *message); });
  if (log.recent.size() > Shard::history_limit) log.recent.pop_front();
}

}  // namespace

Writer::Writer(Store& store, Events events, bool write_inline)
    : store_(store), events_(std::move(events)), inline_(write_inline) {}

void Writer::say(Draft draft) { add({std::move(draft), {}}); }

void Writer::run(std::move_only_function<void(Store&)> work) { add({{}, std::move(work)}); }

void Writer::add(Item item) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(item));
    if (std::exchange(draining_, true)) return;
  }
  // Without a thread it is written here and now.
  if (inline_ || !pool_.try_submit([this] { drain(); })) drain();
}

void Writer::drain() noexcept {
  for (;;) {
    std::vector<Item> items;
    {
      const std::lock_guard lock(mutex_);
      if (queue_.empty()) {
        draining_ = false;
        return;
      }
      items.swap(queue_);
    }
    for (auto next = items.begin(); next != items.end();) {
      const auto work = std::find_if(next, items.end(), [](const Item& one) { return !!one.work; });
      if (next != work) commit({next, work});
      if (work == items.end()) break;
      try {
        work->work(store_);
        // NOLINTNEXTLINE(bugprone-empty-catch): as if it had not been asked for
      } catch (const std::bad_alloc&) {
      }
      next = std::next(work);
    }
  }
}

void Writer::note(const std::string& trouble) {
  if (trouble == trouble_) return;
  trouble_ = trouble;
  if (events_.trouble) events_.trouble(trouble);
}

void Writer::refuse(const Item& item, const std::string& reason) noexcept {
  const ClientPtr& sender = item.draft.sender;
  until_there_is_memory([&] {
    if (events_.refused) events_.refused(item.draft, reason);
  });
  const std::uint32_t cost = Message::cost_of(item.draft.what.entry.text);
  on_home(*sender->home, [sender, cost] {
    sender->outbox.repay(cost);
    ++sender->given;
    sender->home->run_later(sender);
  });
}

void Writer::commit(std::span<Item> items) noexcept {
  try {
    std::vector<Store::Draft*> kept;
    for (Item& item : items) {
      if (item.draft.room->kept()) kept.push_back(&item.draft.what);
    }
    const auto written = kept.empty() ? Stored<void>() : store_.append(kept);
    note(written ? std::string() : written.error().text);
    if (!written) {
      for (const Item& item : items) refuse(item, written.error().text);
      return;
    }
  } catch (const std::bad_alloc&) {
    for (const Item& item : items) refuse(item, "there was no memory");
    return;
  }
  std::vector<Said> said;
  until_there_is_memory([&] { said.reserve(items.size()); });
  for (Item& item : items) {
    Room& room = *item.draft.room;
    Entry& entry = item.draft.what.entry;
    if (!room.kept()) entry.sequence = room.log.end;
    if (entry.sequence == 0) {
      refuse(item, "it can't be changed: it is another's, or is not there any more");
      continue;
    }
    MessagePtr message;
    until_there_is_memory([&] { message = std::make_shared<const Message>(entry, room.where); });
    if (!item.draft.what.repeated) {
      until_there_is_memory([&] { append(room.log, message); });
      until_there_is_memory([&] {
        if (events_.kept) events_.kept(room, *message);
      });
    }
    if (!entry.key.empty()) {
      until_there_is_memory([&] {
        item.draft.sender->outbox.push_notice(stored_frame(entry.key, entry.room, entry.sequence));
      });
    }
    said.push_back({item.draft.room, std::move(message), item.draft.sender});
  }
  deliver(said);
}

void Writer::deliver(const std::vector<Said>& said) noexcept {
  using Parcel = std::pair<Home*, std::shared_ptr<std::vector<Said>>>;
  std::vector<Parcel> parcels;
  const auto add_to = [&parcels](Home* home, const Said& one) {
    auto parcel = std::ranges::find(parcels, home, &Parcel::first);
    if (parcel == parcels.end()) {
      parcels.emplace_back(home, std::make_shared<std::vector<Said>>());
      parcel = std::prev(parcels.end());
    }
    parcel->second->push_back(one);
  };
  for (const Said& one : said) {
    std::vector<Home*> homes;
    until_there_is_memory([&] {
      const std::lock_guard lock(one.room->log.mutex);
      homes = one.room->log.homes;
      if (std::ranges::find(homes, one.sender->home) == homes.end()) {
        homes.push_back(one.sender->home);
      }
    });
    one.message->homes = static_cast<std::uint32_t>(homes.size());
    for (Home* const home : homes) {
      until_there_is_memory([&] { add_to(home, one); });
    }
  }
  for (const auto& [home, parcel] : parcels) {
    until_there_is_memory(
        [&, to = home, what = parcel] { on_home(*to, [to, what] { to->take(*what); }); });
  }
}

}  // namespace polyio::chat
