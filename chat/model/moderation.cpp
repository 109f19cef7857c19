// What operators do to others in their rooms.
#include <fmt/format.h>

#include <array>
#include <polyio/base/text.hpp>

#include "member.hpp"

namespace polyio::chat {

Member::Verb Member::verb_of(std::string_view name) noexcept {
  constexpr std::array<std::string_view, 8> names{"invite", "kick",   "ban", "unban",
                                                  "mute",   "unmute", "op",  "deop"};
  return static_cast<Verb>(std::ranges::find(names, name) - names.begin());
}

// Whether this member may do that to the one that `standing` is about.
Verdict Member::may_moderate(const Room& room, Verb verb, const Membership& standing) const {
  const Directory& directory = chat_.directory_;
  const Person& self = *client_->person;
  const bool founder = self.admin || directory.role(room, self) == Role::founder;
  const bool of_operators = verb == Verb::op || verb == Verb::deop;
  if (room.direct() || (verb != Verb::invite && !directory.commands(room, self))) {
    return std::unexpected("only an operator of the room does that");
  }
  const bool rules = standing.role >= Role::operator_ && standing.account != self.id;
  if ((of_operators || (rules && verb != Verb::invite)) && !founder) {
    return std::unexpected("only the founder of the room does that");
  }
  return {};
}

Verdict Member::moderate(RoomId id, std::string_view what, std::string_view target) {
  Directory& directory = chat_.directory_;
  RoomPtr room;
  PersonId whom = 0;
  std::vector<ClientPtr> out;
  {
    const std::lock_guard lock(directory.mutex());
    const auto here = room_here(id);
    if (!here) return std::unexpected(here.error());
    room = *here;
    whom = directory.person_of(target);
    if (!whom) return std::unexpected(fmt::format("{} is not known here", target));
    Membership& standing = directory.standing(*room, whom);
    const Verb verb = verb_of(what);
    if (auto may = may_moderate(*room, verb, standing); !may) return may;
    Person* const person = directory.person(whom);
    const bool there = person && room->present.contains(whom);
    if (verb == Verb::kick && !there)
      return std::unexpected(fmt::format("{} is not in it", target));
    set_standing(*room, verb, standing, person);
    chat_.remember(standing);
    if (verb == Verb::kick || verb == Verb::ban) {
      if (there && id == lobby_id) {
        for (const ClientPtr& client : clients_of(*person)) client->outbox.fail();
      } else if (there) {
        out = chat_.take_out(room, *person);
      }
    } else if (there) {
      chat_.show(*room, *person);
    }
  }
  log(fmt::format("{}: {} {} in {}", name(), what, escape_for_log(target), room->record.name));
  if (verb_of(what) == Verb::op || verb_of(what) == Verb::deop) {
    chat_.tell(*room, Home::News::promoted, whom, nullptr);
  }
  if (!out.empty()) {
    chat_.left(room, whom, out, fmt::format("{} took you out of {}", name(), room->record.name));
  }
  return {};
}

// A guest is banned by its host.
void Member::set_standing(Room& room, Verb verb, Membership& standing, Person* person) {
  switch (verb) {
    case Verb::invite:
      standing.role = std::max(standing.role, Role::invited);
      if (person && standing.role == Role::invited) {
        chat_.notify(
            *person,
            fmt::format("-- {0} invites you to {1}: /join {1}\n", name(), room.record.name),
            invited_frame(room.record.name, name()));
      }
      break;
    case Verb::ban:
    case Verb::unban:
      standing.banned = verb == Verb::ban;
      if (person && !person->account) {
        std::string host(host_of(person->clients->address));
        if (standing.banned) room.banned_hosts.insert(host);
        if (!standing.banned) room.banned_hosts.erase(host);
        chat_.writer_.run([id = room.record.id, host = std::move(host), banned = standing.banned](
                              Store& store) { (void)store.ban_address(id, host, banned); });
      }
      break;
    case Verb::mute: standing.muted = true; break;
    case Verb::unmute: standing.muted = false; break;
    case Verb::op: standing.role = std::max(standing.role, Role::operator_); break;
    case Verb::deop: standing.role = std::min(standing.role, Role::member); break;
    case Verb::kick:
    case Verb::none: break;
  }
}

}  // namespace polyio::chat
