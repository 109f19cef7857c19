#include "room.hpp"

#include <algorithm>

#include "frames.hpp"

namespace polyio::chat {

namespace {

// More than this is given out at once, so that outboxes skip little at a time.
constexpr std::size_t most_together = 32;
constexpr std::size_t most_bytes_together = 32 * 1024;

}  // namespace

void Room::add(const ClientPtr& client) {
  distribute();
  auto& all = clients(client->wire);
  client->place = static_cast<std::uint32_t>(all.size());
  all.push_back(client);
  if (client->wire == Wire::websocket) {
    client->outbox.push_reply(history_frame(history_));
    client->outbox.push_reply(who_frame(names_, client->id));
  }
}

void Room::remove(const ClientPtr& client) {
  distribute();
  if (client->place == Client::nowhere) return;
  auto& all = clients(client->wire);
  all.back()->place = client->place;
  all[client->place] = std::move(all.back());
  all.pop_back();
  client->place = Client::nowhere;
}

void Room::send_history(Client& client, std::size_t count) {
  std::string lines;
  for (std::size_t i = history_.size() - std::min(count, history_.size()); i < history_.size();
       ++i) {
    lines += history_[i]->line;
  }
  if (lines.empty()) lines = "-- nothing has been said yet\n";
  reply(client, std::move(lines));
}

void Room::send_who(Client& client) {
  std::string text = "-- " + std::to_string(names_.size()) + " here:\n";
  std::size_t listed = 0;
  for (const auto& [id, name] : names_) {
    if (listed++ == listed_names) {
      text += "-- and " + std::to_string(names_.size() - listed_names) + " more\n";
      break;
    }
    text += "-- " + *name + (id == client.id ? " (you)\n" : "\n");
  }
  reply(client, std::move(text));
}

void Room::reply(Client& client, std::string bytes) {
  distribute();
  client.outbox.push_reply(std::move(bytes));
}

void Room::said(const MessagePtr& message) {
  history_.push_back(message);
  if (history_.size() > history_limit) history_.pop_front();
  waiting_.push_back(message);
  waiting_bytes_ += message->line.size();
  if (waiting_.size() >= most_together || waiting_bytes_ >= most_bytes_together) distribute();
}

// Encodes what was collected, once per protocol.
void Room::gather() {
  const auto together = [this](auto encoded) {
    if (waiting_.size() == 1) return encoded(waiting_[0]);
    std::string all;
    for (const MessagePtr& message : waiting_) all += *encoded(message);
    return Piece(std::make_shared<const std::string>(std::move(all)));
  };
  batch_.lines = together(line_of);
  if (!pages_.empty()) batch_.pages = together(frame_of);
  batch_.count = static_cast<std::uint16_t>(waiting_.size());
  waiting_.clear();
  waiting_bytes_ = 0;
}

void Room::give(const std::vector<ClientPtr>& clients, std::size_t& given, const Piece& piece,
                std::size_t& most) const {
  for (; given < clients.size() && most > 0; ++given, --most) {
    // With thousands of clients none is in the cache.
    if (given + 16 < clients.size()) clients[given + 16]->outbox.prefetch();
    if (given + 8 < clients.size()) clients[given + 8]->outbox.prefetch_writer();
    clients[given]->outbox.push_message(piece, batch_.count);
  }
}

bool Room::distribute_to(std::size_t most) {
  while (most > 0 && undistributed()) {
    if (batch_.count == 0) gather();
    give(lines_, batch_.to_lines, batch_.lines, most);
    give(pages_, batch_.to_pages, batch_.pages, most);
    if (batch_.to_lines == lines_.size() && batch_.to_pages == pages_.size()) batch_ = {};
  }
  return undistributed();
}

void Room::tell_pages(const std::string& frame) {
  const Piece piece = std::make_shared<const std::string>(frame);
  for (const ClientPtr& client : pages_) client->outbox.push_message(piece);
}

void Room::came(std::uint64_t id, const Name& name) {
  distribute();
  names_[id] = name;
  if (!pages_.empty()) tell_pages(presence_frame("join", id, *name));
}

void Room::went(std::uint64_t id) {
  distribute();
  names_.erase(id);
  if (!pages_.empty()) tell_pages(presence_frame("leave", id, {}));
}

void Room::renamed(std::uint64_t id, const Name& name) {
  distribute();
  const auto place = names_.find(id);
  if (place == names_.end()) return;
  place->second = name;
  if (!pages_.empty()) tell_pages(presence_frame("rename", id, *name));
}

}  // namespace polyio::chat
