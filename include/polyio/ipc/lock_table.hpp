// Opens room locks: LockTable between processes.
#pragma once

#include <polyio/locks/lock_table.hpp>
