// The store's tables, and how a database of an older version is brought to this one.
#pragma once

#include <chat/store/sqlite.hpp>

namespace polyio::chat {

// An empty database gets the tables, an older one the steps that it lacks, in one transaction. A
// newer one and another program's are refused.
Stored<void> migrate(Connection& connection);

}  // namespace polyio::chat
