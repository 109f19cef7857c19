#include "people.hpp"

#include "frames.hpp"

namespace polyio::chat {

namespace {
constexpr std::size_t long_news = 4096;  // bytes; a list may be shorter
}

// One frame for each that was announced or can be.
std::string People::changes() {
  std::string frames;
  for (const auto& [id, name] : changed_) {
    const auto before = announced_.find(id);
    if (!name) {
      if (before == announced_.end()) continue;
      announced_.erase(before);
      --announced_total_;
      frames += presence_frame("leave", room_, id, {});
    } else if (before != announced_.end()) {
      if (before->second == name) continue;
      before->second = name;
      frames += presence_frame("rename", room_, id, *name);
    } else if (announced_.size() < listed) {
      announced_.emplace(id, name);
      ++announced_total_;
      frames += presence_frame("join", room_, id, *name);
    }
  }
  return frames;
}

void People::forget() noexcept {
  changed_.clear();
  announced_.clear();
  list_.reset();
}

void People::list_anew(Census census) {
  list_.reset();
  changed_.clear();
  announced_ = std::move(census.first);
  announced_total_ = census.total;
  roles_ = std::move(census.roles);
}

Piece People::news(const std::function<Census(std::size_t)>& census) {
  if (changed_.empty()) return nullptr;
  list_.reset();
  const std::size_t total = census(0).total;
  std::string frames = changes();
  if (announced_.size() < listed / 2 && total > announced_.size()) {
    list_anew(census(listed));  // now there is room for those that were only counted
    return list();
  }
  if (announced_total_ != total) {
    announced_total_ = total;
    frames += total_frame(room_, total);
  }
  Piece news;
  if (frames.size() > long_news && frames.size() > list()->size()) {
    news = list();
  } else if (!frames.empty()) {
    news = std::make_shared<const std::string>(std::move(frames));
  }
  changed_.clear();
  return news;
}

Piece People::list() {
  if (!list_) {
    list_ =
        std::make_shared<const std::string>(who_frame(room_, announced_, announced_total_, roles_));
  }
  return list_;
}

}  // namespace polyio::chat
