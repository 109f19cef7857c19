#include "room.hpp"

#include <algorithm>

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

}  // namespace

Room::Room() { given_.reserve(most_together); }

// Work that has to wait has its place in the queue; else it is done at once.
template <class Work>
void Room::in_order(const ClientPtr& client, Work work) {
  if (undistributed()) {
    waiting_.push_back({nullptr, client, std::move(work)});
  } else {
    work();
  }
}

void Room::expect(const ClientPtr& client) {
  in_order(client, [this, client] { client->next = end(); });
}

void Room::add(const ClientPtr& client) {
  in_order(client, [this, client] {
    if (client->removed) return;
    if (client->next == Client::unknown) {
      const std::size_t old = client->wire == Wire::websocket ? history_.size() : 0;
      client->next = end() - old;
    }
    client->next = std::max(client->next, first_);  // nothing was promised of what is older
    catch_up(client, true);
  });
}

void Room::take_out(Client& client) {
  if (client.place == Client::nowhere) return;
  auto& all = clients(client.wire);
  all.back()->place = client.place;
  all[client.place] = std::move(all.back());
  all.pop_back();
  client.place = Client::nowhere;
}

// What is left of the history is not sent any more.
void Room::close(Client& client, std::string last) {
  if (client.place != Client::nowhere) {
    take_out(client);
  } else if (!client.removed && client.next < end()) {
    client.outbox.push_gap(end() - client.next);
  }
  client.removed = true;
  client.outbox.close(std::move(last));
}

void Room::remove(const ClientPtr& client) {
  in_order(client, [this, client] { close(*client, {}); });
}

// Sends old messages, a chunk at a time, until there are none: then the client gets the new ones
// as they are said.
void Room::catch_up(const ClientPtr& client, bool from_the_start) {
  if (client->removed || client->place != Client::nowhere) return;
  if (client->next < first_) {
    client->outbox.push_gap(first_ - client->next);
    client->next = first_;
  }
  std::size_t from = client->next - first_;
  if (client->wire == Wire::websocket) {
    client->outbox.push_reply(history_frame(history_, from, from_the_start));
  } else if (from < history_.size()) {
    std::string lines;
    for (; from < history_.size() && lines.size() < history_chunk; ++from) {
      lines += history_[from]->line;
    }
    client->outbox.push_reply(std::move(lines));
  }
  client->next = first_ + from;
  const bool more = client->next < end();
  if (!more) {
    auto& all = clients(client->wire);
    all.push_back(client);
    client->place = static_cast<std::uint32_t>(all.size() - 1);
    if (client->wire == Wire::websocket) client->outbox.push_reply(*people_.list());
  }
  client->outbox.set_catching_up(more);
}

void Room::go_on(const ClientPtr& client) { catch_up(client, false); }

void Room::send_history(const ClientPtr& client, std::size_t count) {
  in_order(client, [this, client, old = count] {
    const std::uint64_t from = end() - std::min(old, history_.size());
    if (from == end()) client->outbox.push_reply("-- nothing has been said yet\n");
    client->next = client->place == Client::nowhere ? std::min(client->next, from) : from;
    take_out(*client);
    catch_up(client, true);
  });
}

// Sends the list of people as it is now, in its place among the messages.
void Room::send_who(const ClientPtr& client) {
  const auto& names = people_.names();
  std::string text = "-- " + std::to_string(names.size()) + " here:\n";
  std::size_t listed = 0;
  for (const auto& [id, name] : names) {
    if (listed++ == People::listed) {
      text += "-- and " + std::to_string(names.size() - People::listed) + " more\n";
      break;
    }
    text += "-- " + *name + (id == client->id ? " (you)\n" : "\n");
  }
  reply(client, std::move(text));
}

void Room::send_people(const ClientPtr& client) {
  in_order(client, [this, client] {
    if (client->place != Client::nowhere) client->outbox.push_reply(*people_.list());
  });
}

void Room::reply(const ClientPtr& client, std::string bytes) {
  in_order(client, [client, text = std::move(bytes)]() mutable {
    client->outbox.push_reply(std::move(text));
  });
}

void Room::reply_last(const ClientPtr& client, std::string bytes) {
  in_order(client,
           [this, client, last = std::move(bytes)]() mutable { close(*client, std::move(last)); });
}

void Room::confirm_name(const ClientPtr& client, const Name& name) {
  if (client->wire != Wire::websocket || people_.announced(client->id)) return;
  reply(client, presence_frame("rename", client->id, *name));
}

void Room::said(const MessagePtr& message, const ClientPtr& sender) {
  waiting_.push_back({message, sender, {}});
}

// Takes the next messages of the queue.
void Room::gather() {
  std::size_t bytes = 0;
  while (!waiting_.empty() && waiting_.front().message && given_.size() < most_together &&
         bytes < most_bytes_together) {
    bytes += waiting_.front().message->line.size();
    given_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  batch_.count = static_cast<std::uint16_t>(given_.size());
}

// The batch as one piece, encoded once per protocol.
Piece Room::together(Piece (*encoded)(const MessagePtr&)) const {
  if (given_.size() == 1) return encoded(given_[0].message);
  std::string all;
  for (const Event& event : given_) all += *encoded(event.message);
  return std::make_shared<const std::string>(std::move(all));
}

// False: at a client that has no space for it yet.
bool Room::give(const std::vector<ClientPtr>& clients, std::size_t& given, const Piece& piece,
                std::size_t& most) const {
  for (; given < clients.size() && most > 0; ++given, --most) {
    // With thousands of clients none is in the cache.
    if (given + 16 < clients.size()) clients[given + 16]->outbox.prefetch();
    if (given + 8 < clients.size()) clients[given + 8]->outbox.prefetch_writer();
    if (!clients[given]->outbox.push_message(piece, batch_.count, time_)) return false;
  }
  return true;
}

void Room::batch_given() {
  for (; batch_.in_history < given_.size(); ++batch_.in_history) {
    const Event& event = given_[batch_.in_history];
    history_.push_back(event.message);
    if (--event.message->rooms == 0 && event.client) {
      event.client->outbox.repay(event.message->cost());
    }
  }
  for (; history_.size() > history_limit; ++first_) history_.pop_front();
  given_.clear();
  batch_ = {};
}

bool Room::distribute_to(std::size_t most, TimePoint now) {
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
    if (!batch_.lines && !lines_.empty()) batch_.lines = together(line_of);
    if (!batch_.pages && !pages_.empty()) batch_.pages = together(frame_of);
    held_ = !give(lines_, batch_.to_lines, batch_.lines, most) ||
            !give(pages_, batch_.to_pages, batch_.pages, most);
    if (batch_.to_lines == lines_.size() && batch_.to_pages == pages_.size()) batch_given();
  }
  return undistributed() && !held_;
}

void Room::tell_presence() {
  if (!people_.changed() || tells_presence_) return;
  tells_presence_ = true;
  try {
    in_order(nullptr, [this] { send_presence(); });
  } catch (const std::bad_alloc&) {
    tells_presence_ = false;
    presence_pause_ = attention;
  }
}

void Room::send_presence() noexcept {
  tells_presence_ = false;
  presence_pause_ = {};
  try {
    const Piece news = people_.news();
    if (!news) return;
    for (const ClientPtr& client : pages_) client->outbox.push_presence(news);
    presence_pause_ = static_cast<std::int64_t>(pages_.size()) *
                      (page_interval + static_cast<std::int64_t>(news->size()) * byte_interval);
  } catch (const std::bad_alloc&) {
    for (const ClientPtr& client : pages_) client->outbox.lose_presence();
    presence_pause_ = attention;
  }
}

}  // namespace polyio::chat
