#include "shard.hpp"

#include <algorithm>
#include <array>

#include "frames.hpp"

namespace polyio::chat {

namespace {

// More than this is given out in two pieces, so that outboxes skip little at a time.
constexpr std::size_t most_together = 32;
constexpr std::size_t most_bytes_together = 32 * 1024;

// The most by which the room's time goes on between two calls.
constexpr Nanoseconds attention = Outbox::patience / 4;

// Of a loop's time, for each page and each byte sent to a page.
constexpr Nanoseconds page_interval{200'000};
constexpr Nanoseconds byte_interval{20};

// By wire.
constexpr std::array<Piece (*)(const MessagePtr&), wires> encodings{line_of, frame_of,
                                                                    deflated_frame_of};

}  // namespace

Shard::Shard(RoomId room, const Home* home, std::deque<MessagePtr> history, Sequence end,
             Given given)
    : room_(room),
      home_(home),
      on_given_(std::move(given)),
      people_(room),
      history_(std::move(history)),
      first_(end - history_.size()),
      next_(end) {
  given_.reserve(most_together);
}

// A client that was taken out of the room meanwhile has no seat.
Seat* Shard::seat_of(Client& client) const {
  if (room_ == lobby_id) return &client.lobby;
  for (const auto& seat : client.seats) {
    if (seat->room == room_) return seat.get();
  }
  return nullptr;
}

// Work that has to wait has its place in the queue; else it is done at once.
void Shard::in_order(const ClientPtr& client, std::move_only_function<void()> work) {
  if (undistributed() && !in_place_) {
    waiting_.push_back({nullptr, client, std::move(work)});
  } else {
    work();
  }
}

void Shard::add(const ClientPtr& client, First first) {
  in_order(client, [this, client, begin = std::move(first)]() mutable {
    Seat* const seat = seat_of(*client);
    if (!seat || seat->live) return;
    if (seat->next == 0) seat->next = end();
    seat->next = std::max(seat->next, first_);  // nothing was promised of what is older
    if (begin && !begin(seat->next)) return;
    seat->live = true;
    ++seated_;
    catch_up(client, *seat);
  });
}

void Shard::take_out(Client& client, Seat& seat) {
  if (seat.place == Seat::nowhere) return;
  auto& all = clients(client.wire);
  seat_of(*all.back())->place = seat.place;
  all[seat.place] = std::move(all.back());
  all.pop_back();
  seat.place = Seat::nowhere;
}

// What is left of the history is not sent any more; what was said until now is, also where the
// client's own last message is given out just now.
void Shard::remove(const ClientPtr& client, std::move_only_function<void()> then) {
  auto work = [this, client, last = std::move(then)]() mutable {
    Seat* const seat = seat_of(*client);
    if (seat && std::exchange(seat->live, false)) {
      if (seat->place == Seat::nowhere && seat->next < end()) {
        client->outbox.push_gap({room_, seat->next, end() - 1});
      }
      take_out(*client, *seat);
      std::erase(early_, client);
      unwatch(client);
      --seated_;
    }
    if (last) last();
  };
  if (undistributed()) {
    waiting_.push_back({nullptr, client, std::move(work)});
  } else {
    work();
  }
}

// Sends old messages, a chunk at a time, until there are none: then the client gets the new ones
// as they are said.
void Shard::catch_up(const ClientPtr& client, Seat& seat) {
  if (!seat.live || seat.place != Seat::nowhere) return;
  if (seat.next > end()) {  // what was said before it came is still on its way here
    if (std::ranges::find(early_, client) == early_.end()) early_.push_back(client);
    return;
  }
  if (seat.next < first_) {
    client->outbox.push_gap({room_, seat.next, first_ - 1});
    seat.next = first_;
  }
  std::size_t from = seat.next - first_;
  if (from < history_.size()) {
    const bool page = client->is_page();
    std::string all;
    for (; from < history_.size() && all.size() < history_chunk; ++from) {
      if (page && !all.empty()) all += ',';
      all += page ? history_[from]->object() : std::string_view(history_[from]->line);
    }
    if (page) all = frame_for(*client, entries_event(room_, all));
    if (!all.empty()) client->outbox.push_reply(std::move(all));
  }
  seat.next = first_ + from;
  const bool more = seat.next < end();
  if (!more) {
    auto& all = clients(client->wire);
    all.push_back(client);
    seat.place = static_cast<std::uint32_t>(all.size() - 1);
  }
  client->outbox.set_catching_up(client->catching_up());
}

void Shard::go_on(const ClientPtr& client) {
  if (Seat* const seat = seat_of(*client)) catch_up(client, *seat);
}

void Shard::send_history(const ClientPtr& client, std::size_t count) {
  in_order(client, [this, client, old = count] {
    Seat* const seat = seat_of(*client);
    if (!seat || !seat->live) return;
    const Sequence from = end() - std::min(old, history_.size());
    if (from == end()) client->outbox.push_reply("-- nothing has been said yet\n");
    seat->next = seat->place == Seat::nowhere ? std::min(seat->next, from) : from;
    take_out(*client, *seat);
    catch_up(client, *seat);
  });
}

void Shard::resume(const ClientPtr& client, Sequence from) {
  in_order(client, [this, client, from] {
    Seat* const seat = seat_of(*client);
    if (!seat || !seat->live || from >= end()) return;
    const bool others = client->catching_up();  // one room after the other
    seat->next = std::max<Sequence>(from, 1);
    take_out(*client, *seat);
    if (!others) catch_up(client, *seat);
  });
}

void Shard::send_newest(const ClientPtr& client, std::size_t count) {
  in_order(client, [this, client, count] {
    std::size_t from = history_.size() - std::min(count, history_.size());
    std::string objects;
    for (std::size_t at = history_.size(); at > from; --at) {
      const std::string_view object = history_[at - 1]->object();
      if (!objects.empty() && objects.size() + object.size() > history_chunk)
        from = at;
      else
        objects.insert(0, std::string(object) + (objects.empty() ? "" : ","));
    }
    client->outbox.push_reply(
        frame_for(*client, history_event(room_, objects, first_ + from <= 1)));
  });
}

void Shard::reply(const ClientPtr& client, std::string bytes) {
  in_order(client, [client, text = std::move(bytes)]() mutable {
    client->outbox.push_reply(std::move(text));
  });
}

void Shard::watch(const ClientPtr& client, const TakeCensus& census) {
  in_order(client, [this, client, census] {
    const Seat* const seat = seat_of(*client);
    if (!seat || !seat->live) return;
    if (!watched()) people_.list_anew(census(People::listed));
    if (std::ranges::find(watchers_, client) == watchers_.end()) watchers_.push_back(client);
    client->outbox.push_reply(*people_.list());
  });
}

void Shard::unwatch(const ClientPtr& client) noexcept {
  std::erase(watchers_, client);
  if (!watched()) people_.forget();
}

void Shard::send_people(const ClientPtr& client) {
  in_order(client, [this, client] {
    if (watched()) client->outbox.push_reply(*people_.list());
  });
}

void Shard::said(const MessagePtr& message, const ClientPtr& sender) {
  waiting_.push_back({message, sender, {}});
  next_ = message->entry.sequence + 1;
}

// Takes the next messages of the queue.
void Shard::gather() {
  std::size_t bytes = 0;
  while (!waiting_.empty() && waiting_.front().message && given_.size() < most_together &&
         bytes < most_bytes_together) {
    bytes += waiting_.front().message->line.size();
    given_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
    // What its sender has asked for next has its place behind it.
    const ClientPtr& sender = given_.back().client;
    if (sender && sender->home == home_ && !sender->later.empty()) break;
  }
  batch_.count = static_cast<std::uint16_t>(given_.size());
}

// The batch as one piece, encoded once per protocol.
Piece Shard::together(Piece (*encoded)(const MessagePtr&)) const {
  if (given_.size() == 1) return encoded(given_[0].message);
  std::string all;
  for (const Event& event : given_) all += *encoded(event.message);
  return std::make_shared<const std::string>(std::move(all));
}

// False: at a client that has no space for it yet.
bool Shard::give(const std::vector<ClientPtr>& clients, std::size_t& given, const Piece& piece,
                 std::size_t& most) const {
  if (piece && piece->empty()) given = clients.size();  // nothing that this protocol shows
  const Run run(batch_.count, end(), room_);
  for (; given < clients.size() && most > 0; ++given, --most) {
    // With thousands of clients none is in the cache.
    if (given + 16 < clients.size()) clients[given + 16]->outbox.prefetch();
    if (given + 8 < clients.size()) clients[given + 8]->outbox.prefetch_writer();
    if (!clients[given]->outbox.push_message(piece, run, time_)) return false;
  }
  return true;
}

void Shard::batch_given() {
  for (; batch_.in_history < given_.size(); ++batch_.in_history) {
    const Event& event = given_[batch_.in_history];
    keep_change(history_, first_, *event.message);
    history_.push_back(event.message);
  }
  for (; history_.size() > history_limit; ++first_) history_.pop_front();
  batch_ = {};
  // Before what waits for their own messages.
  for (const ClientPtr& client : std::exchange(early_, {})) {
    try {
      go_on(client);
    } catch (const std::bad_alloc&) {
      client->outbox.fail();
    }
  }
  in_place_ = true;
  for (const Event& event : given_) {
    if (on_given_) on_given_(event.message, event.client);
  }
  in_place_ = false;
  given_.clear();
}

bool Shard::distribute_to(std::size_t most, TimePoint now) {
  time_ += std::clamp<Nanoseconds>(now - last_call_, Nanoseconds::zero(), attention);
  last_call_ = now;
  held_ = false;
  while (most > 0 && undistributed() && !held_) {
    if (batch_.count == 0 && !waiting_.front().message) {
      Event event = std::move(waiting_.front());
      waiting_.pop_front();
      try {
        event.work();
      } catch (const std::bad_alloc&) {
        event.client->outbox.fail();
      }
      --most;
      continue;
    }
    if (batch_.count == 0) gather();
    bool all = true;
    for (std::size_t wire = 0; wire < wires && !held_; ++wire) {
      const auto& clients = clients_[wire];
      Piece& piece = batch_.pieces[wire];
      if (!piece && !clients.empty()) piece = together(encodings[wire]);
      held_ = !give(clients, batch_.given[wire], piece, most);
      all = all && batch_.given[wire] == clients.size();
    }
    if (all && !held_) batch_given();
  }
  return undistributed() && !held_;
}

void Shard::jump(Sequence to) {
  waiting_.push_back({nullptr, nullptr, [this, gap = Gap{room_, next_, to - 1}] {
                        for (const auto& all : clients_) {
                          for (const ClientPtr& client : all) client->outbox.push_gap(gap);
                        }
                        history_.clear();
                        first_ = gap.to + 1;
                      }});
  next_ = to;
}

void Shard::list_anew(const TakeCensus& census) {
  people_.list_anew(census(People::listed));
  for (const ClientPtr& client : watchers_) client->outbox.lose_presence();
}

void Shard::tell_presence(TakeCensus census) {
  if (!people_.changed() || tells_presence_) return;
  tells_presence_ = true;
  try {
    in_order(nullptr, [this, all = std::move(census)] { send_presence(all); });
  } catch (const std::bad_alloc&) {
    tells_presence_ = false;
    presence_pause_ = attention;
  }
}

void Shard::send_presence(const TakeCensus& census) noexcept {
  tells_presence_ = false;
  presence_pause_ = {};
  try {
    const Piece news = people_.news(census);
    if (!news) return;
    for (const ClientPtr& client : watchers_) client->outbox.push_presence(news);
    presence_pause_ = static_cast<std::int64_t>(watchers_.size()) *
                      (page_interval + static_cast<std::int64_t>(news->size()) * byte_interval);
  } catch (const std::bad_alloc&) {
    for (const ClientPtr& client : watchers_) client->outbox.lose_presence();
    presence_pause_ = attention;
  }
}

}  // namespace polyio::chat
