// Slots: a table whose entries are named by an index and a generation, so that a name that is kept
// too long is noticed. The rule: giving an entry back never fails, because its place in the list of
// free ones is reserved when it is made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace polyio {

// Generations go round after 2^generation_bits owners of an entry.
template <class T, int generation_bits = 31>
class Slots {
 public:
  static constexpr std::uint32_t generation_mask =
      static_cast<std::uint32_t>((std::uint64_t{1} << generation_bits) - 1);

  // The index of an entry that is as T is made. Throws std::bad_alloc and has changed nothing that
  // counts then.
  std::uint32_t take() {
    if (free_.empty()) {
      entries_.emplace_back();
      free_.reserve(entries_.capacity());
      free_.push_back(static_cast<std::uint32_t>(entries_.size() - 1));
    }
    const std::uint32_t index = free_.back();
    free_.pop_back();
    entries_[index].taken = true;
    return index;
  }
  // Ends the entry: its generation is the next, its value as T is made.
  void give_back(std::uint32_t index) noexcept {
    Entry& entry = entries_[index];
    entry.value = T{};
    entry.generation = (entry.generation + 1) & generation_mask;
    entry.taken = false;
    free_.push_back(index);
  }
  // The entry has been taken, and this is its present owner.
  bool holds(std::uint32_t index, std::uint32_t generation) const noexcept {
    return index < entries_.size() && entries_[index].taken &&
           entries_[index].generation == generation;
  }
  std::uint32_t generation_of(std::uint32_t index) const noexcept {
    return entries_[index].generation;
  }
  T& operator[](std::uint32_t index) noexcept { return entries_[index].value; }
  const T& operator[](std::uint32_t index) const noexcept { return entries_[index].value; }
  // Entries there are room for without an allocation; those that were ever taken come first.
  std::size_t capacity() const noexcept { return entries_.capacity(); }
  std::size_t size() const noexcept { return entries_.size(); }
  bool taken(std::uint32_t index) const noexcept { return entries_[index].taken; }

 private:
  struct Entry {
    T value{};
    std::uint32_t generation = 0;
    bool taken = false;
  };
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> free_;
};

}  // namespace polyio
