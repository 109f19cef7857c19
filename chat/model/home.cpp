#include "home.hpp"

namespace polyio::chat {
namespace {

constexpr std::size_t clients_at_once = 32;  // that a message is given to
// Until a room that waits for a client looks again whether it still reads.
constexpr Nanoseconds retry_interval = Outbox::patience / 8;

struct Distributing {
  explicit Distributing(bool& flag) noexcept : now(flag) { now = true; }
  ~Distributing() { now = false; }
  Distributing(const Distributing&) = delete;
  Distributing& operator=(const Distributing&) = delete;
  bool& now;
};

}  // namespace

Home::Home(Directory& directory, Io& io)
    : directory_(directory),
      io_(io),
      retry_(*this, &Home::distribute),
      news_(*this, &Home::tell_presence) {}

void Home::Alarm::post(Timer& timer) {
  Alarm& self = static_cast<Alarm&>(timer);
  Io& io = self.home.io_;
  try {
    io.post([&self] { (self.home.*self.work)(); });
  } catch (const std::bad_alloc&) {
    io.arm(timer, io.now() + retry_interval);
  }
}

void Home::arm(Alarm& alarm, Deadline deadline) noexcept {
  try {
    io_.arm(alarm, deadline);
    // NOLINTNEXTLINE(bugprone-empty-catch): what happens next goes on
  } catch (const std::bad_alloc&) {
  }
}

// --- shards ---

Shard* Home::shard(RoomId room) const noexcept {
  const auto place = places_.find(room);
  return place == places_.end() ? nullptr : place->second.shard.get();
}

Shard& Home::open(const RoomPtr& room) {
  const RoomId id = room->record.id;
  if (Shard* const there = shard(id)) return *there;
  busy_.reserve(places_.size() + 1);
  telling_.reserve(places_.size() + 1);
  const std::lock_guard lock(room->log.mutex);
  auto made = std::make_unique<Shard>(
      id, this, room->log.recent, room->log.end,
      [this](const MessagePtr& message, const ClientPtr& sender) { settle(message, sender); });
  Place& place = places_.try_emplace(id, Place{room, std::move(made)}).first->second;
  room->log.homes.push_back(this);
  return *place.shard;
}

void Home::close_if_empty(RoomId id) noexcept {
  const auto found = places_.find(id);
  const Place& place = found->second;
  if (id == lobby_id || place.shard->seated() > 0 || place.shard->undistributed()) return;
  if (place.tells) std::erase(telling_, id);
  {
    const std::lock_guard lock(place.room->log.mutex);
    std::erase(place.room->log.homes, this);
  }
  places_.erase(found);
}

// --- what was said ---

void Home::take(const std::vector<Said>& said) noexcept {
  for (const Said& one : said) {
    const auto found = places_.find(one.room->record.id);
    const Sequence sequence = one.message->entry.sequence;
    // It is of another time if the shard was made since, or if there was no memory for it before.
    bool taken = false;
    if (found != places_.end() && sequence >= found->second.shard->expects()) {
      try {
        if (sequence == found->second.shard->expects()) {
          found->second.shard->said(one.message, one.sender);
          taken = true;
        }
        // NOLINTNEXTLINE(bugprone-empty-catch): it is taken from the log later
      } catch (const std::bad_alloc&) {
      }
      missed_ = missed_ || !taken;
      mark(found->second);
    }
    if (!taken) settle(one.message, one.sender);
  }
  bool again = missed_;
  try {
    if (io_.thread_per_job()) {
      distribute();
    } else if (!distributes_) {
      post_distribution();
    }
  } catch (const std::bad_alloc&) {
    again = true;
  }
  if (again) arm(retry_, io_.now() + retry_interval);
}

// Takes what there was no memory for from the logs.
void Home::fetch_missed() {
  for (auto& [id, place] : places_) {
    const std::lock_guard lock(place.room->log.mutex);
    const auto& recent = place.room->log.recent;
    const Sequence first = place.room->log.end - recent.size();
    if (place.shard->expects() < first) place.shard->jump(first);
    for (std::size_t at = place.shard->expects() - first; at < recent.size(); ++at) {
      place.shard->said(recent[at]);
    }
    if (place.shard->undistributed()) mark(place);
  }
  missed_ = false;
}

void Home::settle(const MessagePtr& message, const ClientPtr& sender) noexcept {
  if (!sender) return;
  if (--message->homes == 0) sender->outbox.repay(message->cost());
  if (sender->home != this) return;
  ++sender->given;
  run_later(sender);
}

void Home::run_later(const ClientPtr& client) noexcept {
  while (!client->later.empty() && client->later.front().after <= client->given) {
    auto work = std::move(client->later.front().work);
    client->later.erase(client->later.begin());
    try {
      work();
    } catch (const std::bad_alloc&) {
      client->outbox.fail();
    }
  }
  if (client->later.empty()) std::vector<Client::Later>().swap(client->later);
}

void Home::mark(Place& place) noexcept {
  if (!std::exchange(place.busy, true)) busy_.push_back(place.room->record.id);
}

void Home::distribute_soon(Shard& shard) {
  mark(places_.at(shard.room()));
  if (io_.thread_per_job()) return distribute();  // it has no turns
  if (!distributes_) post_distribution();
}

void Home::go_on() {
  if (io_.thread_per_job()) return distribute();
  if (!busy_.empty() && !distributes_) post_distribution();
}

void Home::post_distribution() {
  io_.post([this] { distribute(); });
  distributes_ = true;
}

void Home::distribute() {
  if (distributing_) return;  // what a message set off: its turn comes in this one
  const Distributing here(distributing_);
  const TimePoint now = io_.now();
  distributes_ = false;
  bool more = false, waits = false;
  try {
    if (missed_) fetch_missed();
  } catch (const std::bad_alloc&) {
    waits = true;
  }
  std::size_t kept = 0;
  for (std::size_t next = 0; next < busy_.size(); ++next) {  // more may come meanwhile
    const RoomId id = busy_[next];
    Place& place = places_.at(id);
    try {
      if (io_.thread_per_job()) {
        place.shard->distribute(now);
      } else if (place.shard->distribute_to(clients_at_once, now)) {
        more = true;
      }
    } catch (const std::bad_alloc&) {
      waits = true;
    }
    waits = waits || place.shard->held();
    if (place.shard->undistributed()) {
      busy_[kept++] = id;
    } else {
      place.busy = false;
      close_if_empty(id);
    }
  }
  busy_.resize(kept);
  if (waits) {
    arm(retry_, now + retry_interval);
  } else {
    io_.disarm(retry_);
  }
  if (more && !distributes_) post_distribution();
}

// --- people ---

Shard::TakeCensus Home::census_of(const RoomPtr& room) const {
  return [&directory = directory_, room](std::size_t most) {
    const std::lock_guard lock(directory.mutex());
    return directory.census(*room, most);
  };
}

void Home::watch(Shard& shard, const ClientPtr& client) {
  shard.watch(client, census_of(places_.at(shard.room()).room));
}

void Home::presence(RoomId room, News news, PersonId id, const Name& name) noexcept {
  if (news_lost_.exchange(false)) lose_presence();
  const auto found = places_.find(room);
  if (found == places_.end() || !found->second.shard->watched()) return;
  Place& place = found->second;
  try {
    if (news == News::came) place.shard->came(id, name);
    if (news == News::went) place.shard->went(id);
    if (news == News::renamed) place.shard->renamed(id, name);
  } catch (const std::bad_alloc&) {
    place.lost_news = true;
  }
  if (news == News::promoted) place.lost_news = true;  // the list says it
  if (!place.lost_news && !place.shard->presence_changed()) return;
  if (!std::exchange(place.tells, true)) telling_.push_back(room);
  tell_presence();
}

void Home::lose_presence() noexcept {
  for (auto& [id, place] : places_) {
    if (!place.shard->watched()) continue;
    place.lost_news = true;
    if (!std::exchange(place.tells, true)) telling_.push_back(id);
  }
  tell_presence();
}

void Home::tell_presence() noexcept {
  const TimePoint now = io_.now();
  Deadline next = never;
  std::size_t kept = 0;
  for (std::size_t at = 0; at < telling_.size(); ++at) {
    const RoomId id = telling_[at];
    Place& place = places_.at(id);
    if (now < place.news_at) {
      next = std::min(next, Deadline(place.news_at));
      telling_[kept++] = id;
      continue;
    }
    place.tells = false;
    try {
      const auto census = census_of(place.room);
      if (place.lost_news) place.shard->list_anew(census);
      if (!place.lost_news) place.shard->tell_presence(census);
      place.lost_news = false;
    } catch (const std::bad_alloc&) {
      place.lost_news = true;
    }
    place.news_at = now + place.shard->presence_pause();
  }
  telling_.resize(kept);
  if (next != never) arm(news_, next);
}

}  // namespace polyio::chat
