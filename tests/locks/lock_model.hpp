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
      if (place.granted != LockMode::none) place.ticket -= newcomer;
      if (place.wanted == place.granted) {  // no more than it has
        place.asked = place.asked_then;
        place.wanted = place.asked_then = LockMode::none;
      } else if (late && held_by_others(what, place)) {
        return give_up(session, call, Outcome::late);
      }
      put(what, place);
      grant(what);
      if (waits(session)) {
        if (!choose(session, doomed_now, true)) choose(session, doomed_now, false);
        untangle(session);
        if (doomed(session)) continue;
        if (waits(session)) return late ? give_up(session, call, Outcome::late) : Outcome::waits;
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
  // What a session waits for: locks that others have, or also others ahead in its queue.
  enum class Edges { of_locks, all };
  // Whether `from` waits for `to`, over any number of others, none of them younger than `youngest`.
  bool reaches(int from, int to, int youngest, Edges edges) const {
    std::set<int> seen{from};
    std::vector<int> open{from};
    while (!open.empty()) {
      const int at = open.back();
      open.pop_back();
      for (const int next : waits_for(at, edges)) {
        if (next == to) return true;
        if (next <= youngest && seen.insert(next).second) open.push_back(next);
      }
    }
    return false;
  }

 private:
  static bool in_the_way(const Place& other, const Place& place, Edges edges = Edges::all) {
    return !fit(other.granted, place.wanted) ||
           (edges == Edges::all && other.wanted != LockMode::none && other.ticket < place.ticket &&
            !fit(other.wanted, place.wanted) && fit(other.wanted, place.granted));
  }
  std::set<int> waits_for(int session, Edges edges = Edges::all) const {
    std::set<int> others;
    for (const auto& [what, queue] : queues_) {
      const Place place = find(session, what);
      if (place.wanted == LockMode::none) continue;
      for (const Place& other : queue) {
        if (other.session != session && in_the_way(other, place, edges)) {
          others.insert(other.session);
        }
      }
    }
    return others;
  }
  bool held_by_others(const std::string& what, const Place& place) {
    return std::ranges::any_of(queues_[what], [&](const Place& other) {
      return other.session != place.session && in_the_way(other, place, Edges::of_locks);
    });
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
    const auto locked_by = [&](int from, int to, int youngest) {
      return reaches(from, to, youngest, Edges::of_locks);
    };
    if (!locked_by(session, session, INT_MAX)) return !all || doomed_now.empty();
    for (const int victim : doomed_now) {
      const bool through = victim == session
                               ? locked_by(session, session, session)
                               : victim > session && locked_by(session, victim, victim) &&
                                     locked_by(victim, session, victim);
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

  // No cycle of locks is left through `session`: ends those that queues make.
  void untangle(int session) {
    if (!reaches(session, session, INT_MAX, Edges::all)) return;
    std::vector<int> placed, overtaking;
    const auto has_place = [&](int other) { return std::ranges::count(placed, other) != 0; };
    const auto can_go = [&](int one, Edges edges) {
      return !has_place(one) && std::ranges::all_of(waits_for(one, edges), has_place);
    };
    while (!has_place(session)) {
      std::set<int> open{session};  // waited for, over those that have no place
      for (std::size_t size = 0; size != open.size();) {
        size = open.size();
        for (const int one : std::set(open)) {
          for (const int other : waits_for(one)) {
            if (!has_place(other)) open.insert(other);
          }
        }
      }
      for (bool again = true; again;) {
        again = false;
        for (const int one : open) {
          if (!can_go(one, Edges::all)) continue;
          placed.push_back(one);
          again = true;
        }
      }
      if (has_place(session)) break;
      int overtaker = session;
      if (!can_go(session, Edges::of_locks)) {  // the oldest is the first of the set
        overtaker =
            *std::ranges::find_if(open, [&](int one) { return can_go(one, Edges::of_locks); });
      }
      placed.push_back(overtaker);
      overtaking.push_back(overtaker);
    }
    reorder(placed, overtaking);
  }
  std::string waits_on(int session) const {
    for (const auto& [what, queue] : queues_) {
      if (find(session, what).wanted != LockMode::none) return what;
    }
    return "";
  }
  void reorder(const std::vector<int>& placed, std::vector<int> overtaking) {
    std::set<std::string> changed;
    for (auto at = placed.rbegin(); at != placed.rend(); ++at) {
      const std::string what = waits_on(*at);
      if (!overtaking.empty() && *at == overtaking.back()) {
        overtaking.pop_back();
        changed.insert(what);
      }
      if (!changed.contains(what)) continue;
      Place place = find(*at, what);
      place.ticket = -2 * newcomer - ++ticket_;
      put(what, place);
    }
    for (const std::string& what : changed) grant(what);
  }

  static constexpr int newcomer = 1 << 24;  // more than the tickets of a test
  std::map<std::string, std::vector<Place>> queues_;
  std::set<int> doomed_;
  int ticket_ = 0;
};

}  // namespace polyio::ipc
