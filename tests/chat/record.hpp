// Record and Hearing: the oracle of the chat's tests. The record is what the chat's log says
// happened, in order; a Hearing follows what one client gets and requires that it is exactly what
// was said from the client's coming to its leaving, except for gaps of exactly the number reported.
#pragma once

#include <algorithm>
#include <cstdint>
#include <polyio/base/text.hpp>
#include <polyio/io/io.hpp>
#include <polyio/proto/text.hpp>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "sim/explore.hpp"

namespace polyio::chat_test {

using sim_test::require;

enum class Event : std::uint8_t { joined, left, renamed, said };

struct Happening {
  Event event;
  std::string name;  // the client's address, or for a message its sender's name
  std::string text;  // new name, or what was said, as in the log
};

// One connection's time in the room: indices into Record::all() and Record::said().
struct Stay {
  std::size_t joined = 0, left = 0;
  std::size_t said_before = 0, said_until = 0;
  std::size_t renames = 0;
  bool has_left = false;
  TimePoint left_at{};
};

class Record {
 public:
  explicit Record(Io& io) : io_(io) {}

  // Takes a line of the chat's log.
  void write(const std::string& line) {
    const std::string_view text = line;
    if (text.starts_with("[")) {
      const auto end = text.find("] ");
      require(end != text.npos, "not a line of the log: " + line);
      add({Event::said, line.substr(1, end - 1), line.substr(end + 2)});
      said_.push_back(all_.size() - 1);
      lines_.insert(line);
    } else if (text.starts_with("joined: ")) {
      add({Event::joined, line.substr(8), ""});
      Stay& stay = stays_[all_.back().name];
      stay.joined = all_.size() - 1;
      stay.said_before = said_.size();
    } else if (text.starts_with("left: ")) {
      add({Event::left, line.substr(6), ""});
      Stay& stay = stays_[all_.back().name];
      require(!std::exchange(stay.has_left, true), "it left twice");
      stay.left = all_.size() - 1;
      stay.said_until = said_.size();
      stay.left_at = io_.now();
    } else if (!text.starts_with("refused: ")) {
      const auto is = text.find(") is ");
      require(text.starts_with("renamed: ") && is != text.npos, "not a line of the log: " + line);
      add({Event::renamed, line.substr(9, is - 8), line.substr(is + 5)});
      ++stays_[all_.back().name].renames;
    }
  }

  const std::vector<Happening>& all() const { return all_; }
  // Which of them were messages.
  const std::vector<std::size_t>& said() const { return said_; }
  const Stay* stay(const std::string& address) const {
    const auto found = stays_.find(address);
    return found == stays_.end() ? nullptr : &found->second;
  }
  bool was_said(const std::string& line) const { return lines_.contains(line); }

 private:
  void add(Happening happening) { all_.push_back(std::move(happening)); }

  Io& io_;
  std::vector<Happening> all_;
  std::vector<std::size_t> said_;
  std::unordered_map<std::string, Stay> stays_;
  std::unordered_set<std::string> lines_;
};

// What one client hears next. While it is not known since when it listens there are several
// possible places among what was said.
class Hearing {
 public:
  explicit Hearing(const Record& record) : record_(record) {}

  // It listens since some moment from `first` to `last`.
  void begin(std::size_t first, std::size_t last) {
    for (std::size_t place = first; place <= last; ++place) places_.push_back(place);
  }
  bool begun() const { return !places_.empty(); }

  void hear(std::string_view name, std::string_view text) {
    std::erase_if(places_, [&](std::size_t& place) {
      return place >= size() || !is(at(place++), name, text);
    });
    require(!places_.empty(), fmt::format("not what was said next: {} {}", name, text));
    ++heard_;
  }
  void skip(std::uint64_t count) {
    require(count > 0, "a gap of nothing");
    for (std::size_t& place : places_) place += count;
    std::erase_if(places_, [&](std::size_t place) { return place > size(); });
    require(!places_.empty(), "a gap of more than was said");
    ++gaps_;
  }
  // Everything up to `end` was heard or announced as skipped. What came later may be, too: one that
  // leaves waits for its own last words.
  bool complete(std::size_t end) const {
    return std::ranges::any_of(places_, [end](std::size_t place) { return place >= end; });
  }
  std::size_t heard() const { return heard_; }
  std::size_t gaps() const { return gaps_; }

 private:
  std::size_t size() const { return record_.said().size(); }
  const Happening& at(std::size_t place) const { return record_.all()[record_.said()[place]]; }
  static bool is(const Happening& happening, std::string_view name, std::string_view text) {
    return happening.name == name &&
           (happening.text == text || happening.text == escape_for_log(text, 1024));
  }

  const Record& record_;
  std::vector<std::size_t> places_;
  std::size_t heard_ = 0, gaps_ = 0;
};

}  // namespace polyio::chat_test
