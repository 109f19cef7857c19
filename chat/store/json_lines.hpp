// The store's accounts, rooms and logs as JSON lines, and back: for moving and for reading.
// The rule: both go line by line, whatever the size of the whole.
#pragma once

#include <chat/store/store.hpp>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

namespace polyio::chat {

struct ExportOptions {
  std::vector<RoomId> rooms;  // empty: all. The accounts are always there
  bool passwords = false;     // their hashes; without them no login works after an import
};

// One object a line: {"polyio_chat":1}, then accounts, rooms, memberships and addresses that are
// banned, then the logs. A message has its present text. How many lines.
Stored<std::uint64_t> export_lines(const Store& store, std::ostream& to,
                                   const ExportOptions& options = {});

struct Imported {
  std::uint64_t accounts = 0, rooms = 0, entries = 0;  // that were not there
};

// Accounts and rooms are those of the same name, or are added. Entries keep their numbers; the ones
// that are there with the same text are left, so that an import can be done twice. A line that is
// wrong ends it: the error names it, and what was before it is written. `from`: hostile.
Stored<Imported> import_lines(Store& store, std::istream& from);

}  // namespace polyio::chat
