// People: what the pages that show a room have been sent of its people. The list and the news of it
// are encoded once for all of them, and in a large room what is not listed is only counted: so a
// join costs a page the same however many are there. Used by its shard only, while a page watches.
#pragma once

#include <functional>
#include <map>

#include "message.hpp"

namespace polyio::chat {

class People {
 public:
  static constexpr std::size_t listed = 500;  // in a list; the rest is a number
  // Of a room: the first of its people, and how many there are.
  struct Census {
    std::map<PersonId, Name> first;
    std::size_t total = 0;
    std::map<PersonId, Role> roles{};  // of operators and the founder
  };

  explicit People(RoomId room) : room_(room) {}

  void came(PersonId id, const Name& name) { changed_[id] = name; }
  void went(PersonId id) { changed_[id] = nullptr; }
  void renamed(PersonId id, const Name& name) {
    if (announced(id) || changed_.contains(id)) changed_[id] = name;
  }
  // What is known is not kept any more; next comes list_anew().
  void forget() noexcept;
  void list_anew(Census census);

  // Something changed since the last news().
  bool changed() const noexcept { return !changed_.empty(); }
  // Whether the pages know this one by name.
  bool announced(PersonId id) const { return announced_.contains(id); }

  // The frames, in one piece, that bring a page from the last news to now; empty: it need know
  // nothing. After bad_alloc the pages need the list, and news() is to be called again. `census`
  // gives the room's people as they are now: at most `most` in its list.
  Piece news(const std::function<Census(std::size_t most)>& census);
  // A `who` frame with what the pages have been sent until now.
  Piece list();

 private:
  std::string changes();

  const RoomId room_;
  std::map<PersonId, Name> changed_;  // without a name: it went
  std::map<PersonId, Name> announced_;
  std::map<PersonId, Role> roles_;
  std::size_t announced_total_ = 0;  // how many are here, by what the pages have been sent
  Piece list_;
};

}  // namespace polyio::chat
