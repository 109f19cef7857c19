// Opens room queue: Queue and ByteQueue between processes.
#pragma once

#include <polyio/queue/queue.hpp>
