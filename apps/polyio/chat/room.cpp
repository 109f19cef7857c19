#include "room.hpp"

#include <algorithm>

#include "frames.hpp"

namespace polyio::chat {

void Room::add(const ClientPtr& client) {
  auto& clients = client->wire == Wire::line ? lines_ : pages_;
  places_[client->id] = clients.size();
  clients.push_back(client);
  if (client->wire == Wire::websocket) {
    client->outbox.push_reply(history_frame(history_));
    client->outbox.push_reply(who_frame(names_, client->id));
  }
}

void Room::remove(const ClientPtr& client) {
  const auto place = places_.find(client->id);
  if (place == places_.end()) return;
  auto& clients = client->wire == Wire::line ? lines_ : pages_;
  clients[place->second] = clients.back();
  places_[clients.back()->id] = place->second;
  clients.pop_back();
  places_.erase(client->id);
}

void Room::send_history(Client& client, std::size_t count) const {
  std::string lines;
  for (std::size_t i = history_.size() - std::min(count, history_.size()); i < history_.size();
       ++i) {
    lines += history_[i]->line;
  }
  if (lines.empty()) lines = "-- nothing has been said yet\n";
  client.outbox.push_reply(std::move(lines));
}

void Room::send_who(Client& client) const {
  std::string text = "-- " + std::to_string(names_.size()) + " here:\n";
  std::size_t listed = 0;
  for (const auto& [id, name] : names_) {
    if (listed++ == listed_names) {
      text += "-- and " + std::to_string(names_.size() - listed_names) + " more\n";
      break;
    }
    text += "-- " + name + (id == client.id ? " (you)\n" : "\n");
  }
  client.outbox.push_reply(std::move(text));
}

void Room::said(const MessagePtr& message) {
  history_.push_back(message);
  if (history_.size() > history_limit) history_.pop_front();
  const Piece line = line_of(message);
  for (const ClientPtr& client : lines_) client->outbox.push_message(line);
  if (pages_.empty()) return;
  const Piece frame = frame_of(message);
  for (const ClientPtr& client : pages_) client->outbox.push_message(frame);
}

void Room::tell_pages(const std::string& frame) {
  if (pages_.empty()) return;
  const Piece piece = std::make_shared<const std::string>(frame);
  for (const ClientPtr& client : pages_) client->outbox.push_message(piece);
}

void Room::came(std::uint64_t id, const std::string& name) {
  names_[id] = name;
  if (!pages_.empty()) tell_pages(presence_frame("join", id, name));
}

void Room::went(std::uint64_t id) {
  names_.erase(id);
  if (!pages_.empty()) tell_pages(presence_frame("leave", id, {}));
}

void Room::renamed(std::uint64_t id, const std::string& name) {
  const auto place = names_.find(id);
  if (place == names_.end()) return;
  place->second = name;
  if (!pages_.empty()) tell_pages(presence_frame("rename", id, name));
}

}  // namespace polyio::chat
