// LockModel: a lock table as in the textbook, small and slow: the model that the real one is
// compared with. Shares no code with it but the names of the modes.
#pragma once

#include <algorithm>
#include <climits>
#include <map>
#include <polyio/locks/lock_mode.hpp>
#include <set>
#include <string>
#include <vector>

namespace polyio::ipc {

class LockModel {
 public:
  enum class Outcome { granted, waits, late, deadlock };
  struct Call {
    std::string table, row;  // row "": the table itself
    LockMode mode = LockMode::none;
    bool on_table = false;
  };
  struct Place {
    int session = 0;
    LockMode granted = LockMode::none, wanted = LockMode::none, asked = LockMode::none,
             asked_then = LockMode::none;
    int ticket = 0;
    bool operator==(const Place&) const = default;
  };

  static bool fit(LockMode a, LockMode b) {
    static const std::vector<std::string> matrix = {"yyyyyy", "yyyyyn", "yyynnn",
                                                    "yynynn", "yynnnn", "ynnnnn"};
    return matrix[std::size_t(a)][std::size_t(b)] == 'y';
  }
  // What `strong` fits with, `weak` does.
  static bool covers(LockMode strong, LockMode weak) {
    for (int mode = 1; mode <= 5; ++mode) {
      if (fit(strong, LockMode(mode)) && !fit(weak, LockMode(mode))) return false;
    }
    return true;
  }
  static LockMode both(LockMode a, LockMode b) {
    for (const int mode : {0, 1, 2, 3, 4}) {
      if (covers(LockMode(mode), a) && covers(LockMode(mode), b)) return LockMode(mode);
    }
    return LockMode::X;
  }

  Place find(int session, const std::string& what) const {
    const auto queue = queues_.find(what);
    if (queue == queues_.end()) return {session};
    for (const Place& place : queue->second) {
      if (place.session == session) return place;
    }
    return {session};
  }
  bool waits(int session) const { return !waits_for(session).empty(); }
  bool doomed(int session) const { return doomed_.contains(session); }

  // `doomed_now`: the sessions that the real one made give way during this call.
  Outcome advance(int session, Call& call, bool late, std::set<int>& doomed_now) {
    for (;;) {
      if (doomed(session)) return give_up(session, call, Outcome::deadlock);
      const std::string what = call.on_table ? call.table : call.table + call.row;
      Place place = find(session, what);
      if (place.wanted != LockMode::none) {
        return late ? give_up(session, call, Outcome::late) : Outcome::waits;
      }
      const LockMode mode = !call.on_table             ? call.mode
                            : call.mode == LockMode::S ? LockMode::IS
                                                       : LockMode::IX;
      place.wanted = both(place.granted, mode);
      place.asked_then = call.on_table ? place.asked : both(place.asked, mode);
      place.ticket = ++ticket_;
      if (place.wanted == place.granted) {  // no more than it has
        place.asked = place.asked_then;
        place.wanted = place.asked_then = LockMode::none;
      } else if (late && !free_for(what, place)) {
        return give_up(session, call, Outcome::late);
      }
      put(what, place);
      grant(what);
      if (waits(session)) {
        if (!choose(session, doomed_now, true)) choose(session, doomed_now, false);
        if (waits(session)) return Outcome::waits;
        if (doomed(session)) continue;
      }
      if (!call.on_table) return Outcome::granted;
      call.on_table = false;
    }
  }
  bool unlock(int session, const std::string& table, const std::string& row) {
    Place place = find(session, table + row);
    if ((row.empty() ? place.asked : place.granted) == LockMode::none) return false;
    if (row.empty()) {
      place.asked = LockMode::none;
      put(table, place);
    } else {
      put(table + row, {session});
      grant(table + row);
    }
    settle(session, table);
    forgive(session);
    return true;
  }
  void release_all(int session) {
    for (auto& [what, queue] : queues_) put(what, {session});
    for (auto& [what, queue] : queues_) grant(what);
    doomed_.erase(session);
  }
  // Whether `from` waits for `to`, over any number of others, none of them younger than `youngest`.
  bool reaches(int from, int to, int youngest) const {
    std::set<int> seen{from};
    std::vector<int> open{from};
    while (!open.empty()) {
      const int at = open.back();
      open.pop_back();
      for (const int next : waits_for(at)) {
        if (next == to) return true;
        if (next <= youngest && seen.insert(next).second) open.push_back(next);
      }
    }
    return false;
  }

 private:
  static bool before(const Place& a, const Place& b) {
    const bool a_new = a.granted == LockMode::none, b_new = b.granted == LockMode::none;
    return a_new != b_new ? b_new : a.ticket < b.ticket;
  }
  static bool in_the_way(const Place& other, const Place& place) {
    return !fit(other.granted, place.wanted) ||
           (other.wanted != LockMode::none && before(other, place) &&
            !fit(other.wanted, place.wanted) && fit(other.wanted, place.granted));
  }
  std::set<int> waits_for(int session) const {
    std::set<int> others;
    for (const auto& [what, queue] : queues_) {
      const Place place = find(session, what);
      if (place.wanted == LockMode::none) continue;
      for (const Place& other : queue) {
        if (other.session != session && in_the_way(other, place)) others.insert(other.session);
      }
    }
    return others;
  }
  bool free_for(const std::string& what, const Place& place) {
    return std::ranges::none_of(queues_[what], [&](const Place& other) {
      return other.session != place.session && in_the_way(other, place);
    });
  }
  void put(const std::string& what, const Place& place) {
    auto& queue = queues_[what];
    std::erase_if(queue, [&](const Place& old) { return old.session == place.session; });
    if (place.granted != LockMode::none || place.wanted != LockMode::none) queue.push_back(place);
  }
  void grant(const std::string& what) {
    for (bool again = true; again;) {
      again = false;
      for (Place& place : queues_[what]) {
        if (place.wanted == LockMode::none || !free_for(what, place)) continue;
        place.granted = place.wanted;
        place.asked = place.asked_then;
        place.wanted = place.asked_then = LockMode::none;
        again = true;
      }
    }
  }
  void withdraw(int session) {
    for (auto& [what, queue] : queues_) {
      Place place = find(session, what);
      if (place.wanted == LockMode::none) continue;
      place.wanted = place.asked_then = LockMode::none;
      put(what, place);
      grant(what);
    }
  }
  void settle(int session, const std::string& table) {
    Place place = find(session, table);
    if (place.granted == LockMode::none) return;
    LockMode enough = place.asked;
    for (const auto& [what, queue] : queues_) {
      if (what.size() <= table.size() || !what.starts_with(table)) continue;
      const Place row = find(session, what);
      const LockMode most = both(row.granted, row.wanted);
      if (most != LockMode::none) {
        enough = both(enough, most == LockMode::S ? LockMode::IS : LockMode::IX);
      }
    }
    place.granted = enough;
    put(table, place);
    grant(table);
  }
  Outcome give_up(int session, const Call& call, Outcome outcome) {
    withdraw(session);
    if (!call.row.empty()) settle(session, call.table);
    if (outcome == Outcome::deadlock) forgive(session);
    return outcome;
  }
  void forgive(int session) {
    const bool any = std::ranges::any_of(queues_, [&](const auto& queue) {
      const Place place = find(session, queue.first);
      return place.granted != LockMode::none || place.wanted != LockMode::none;
    });
    if (!any) doomed_.erase(session);
  }
  // Those that the real one chose, in an order in which each is the youngest of a cycle through
  // `session`, until there is no cycle left: all of them, or the others were chosen later in the
  // call.
  bool choose(int session, std::set<int>& doomed_now, bool all) {
    if (!reaches(session, session, INT_MAX)) return !all || doomed_now.empty();
    for (const int victim : doomed_now) {
      const bool through = victim == session
                               ? reaches(session, session, session)
                               : victim > session && reaches(session, victim, victim) &&
                                     reaches(victim, session, victim);
      if (!through) continue;
      LockModel then = *this;
      std::set<int> others = doomed_now;
      others.erase(victim);
      then.doomed_.insert(victim);
      then.withdraw(victim);
      if (!then.choose(session, others, all)) continue;
      *this = then;
      doomed_now = others;
      return true;
    }
    return false;
  }

  std::map<std::string, std::vector<Place>> queues_;
  std::set<int> doomed_;
  int ticket_ = 0;
};

}  // namespace polyio::ipc
