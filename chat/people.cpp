#include "people.hpp"

#include "frames.hpp"

namespace polyio::chat {

namespace {
constexpr std::size_t long_news = 4096;  // bytes; a list may be shorter
}

void People::came(std::uint64_t id, const Name& name) {
  names_[id] = name;
  changed_.insert(id);
}

void People::went(std::uint64_t id) {
  const auto place = names_.find(id);
  if (place == names_.end()) return;
  changed_.insert(id);  // first: there may be no memory for it
  names_.erase(place);
}

void People::renamed(std::uint64_t id, const Name& name) {
  const auto place = names_.find(id);
  if (place == names_.end()) return;
  place->second = name;
  if (announced(id)) changed_.insert(id);  // the others' names are not known to any page
}

// One frame for each that was announced or can be.
std::string People::changes() {
  std::string frames;
  for (const std::uint64_t id : changed_) {
    const auto here = names_.find(id);
    const auto before = announced_.find(id);
    if (here == names_.end()) {
      if (before == announced_.end()) continue;
      announced_.erase(before);
      --announced_total_;
      frames += presence_frame("leave", id, {});
    } else if (before != announced_.end()) {
      before->second = here->second;
      frames += presence_frame("rename", id, *here->second);
    } else if (announced_.size() < listed) {
      announced_.emplace(*here);
      ++announced_total_;
      frames += presence_frame("join", id, *here->second);
    }
  }
  return frames;
}

void People::list_anew() {
  announced_.clear();
  for (const auto& person : names_) {
    if (announced_.size() == listed) break;
    announced_.insert(announced_.end(), person);
  }
  announced_total_ = names_.size();
}

Piece People::news() {
  if (changed_.empty()) return nullptr;
  list_.reset();
  Piece told = changes_or_list();
  changed_.clear();
  return told;
}

Piece People::changes_or_list() {
  std::string frames = changes();
  if (announced_.size() < listed / 2 && names_.size() > announced_.size()) {
    list_anew();  // now there is room for those that were only counted
    return list();
  }
  if (announced_total_ != names_.size()) {
    announced_total_ = names_.size();
    frames += total_frame(announced_total_);
  }
  if (frames.empty()) return nullptr;
  if (frames.size() > long_news && frames.size() > list()->size()) return list();
  return std::make_shared<const std::string>(std::move(frames));
}

Piece People::list() {
  if (!list_) list_ = std::make_shared<const std::string>(who_frame(announced_, announced_total_));
  return list_;
}

}  // namespace polyio::chat
