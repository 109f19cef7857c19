// The dials of a server: which options go together, and why the others don't.
#pragma once

#include <polyio/server/server.hpp>

namespace polyio {

// Fills in what the options leave open: model, architecture, workers, max_waiting, accepting.
// Throws std::invalid_argument, which says what to do, for what makes no sense.
void settle_dials(ServerOptions& options);

// Its processes or threads serve one connection each, so that their number is the ceiling.
bool workers_are_places(const ServerOptions& options) noexcept;
// Its connections are served by processes forked for it.
bool forks(const ServerOptions& options) noexcept;

}  // namespace polyio
