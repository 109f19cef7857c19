// People: those that are here, and what the pages have been sent of it. The list and the news of it
// are encoded once for all pages, and in a large room what is not listed is only counted: so a join
// costs a page the same however many are here. Used by its room only.
#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "message.hpp"

namespace polyio::chat {

class People {
 public:
  static constexpr std::size_t listed = 500;  // in a list; the rest is a number

  void came(std::uint64_t id, const Name& name);
  void went(std::uint64_t id);
  void renamed(std::uint64_t id, const Name& name);

  // All clients of the chat, by id.
  const std::map<std::uint64_t, Name>& names() const noexcept { return names_; }
  // Something changed since the last news().
  bool changed() const noexcept { return !changed_.empty(); }
  // Whether the pages know this one by name.
  bool announced(std::uint64_t id) const { return announced_.contains(id); }

  // The frames, in one piece, that bring a page from the last news to now; empty: it need know
  // nothing. After bad_alloc the pages need the list, and news() is to be called again.
  Piece news();
  // A `who` frame with what the pages have been sent until now.
  Piece list();

 private:
  Piece changes_or_list();
  std::string changes();
  void list_anew();

  std::map<std::uint64_t, Name> names_;
  std::set<std::uint64_t> changed_;
  std::map<std::uint64_t, Name> announced_;
  std::size_t announced_total_ = 0;  // how many are here, by what the pages have been sent
  Piece list_;
};

}  // namespace polyio::chat
