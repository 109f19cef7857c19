// The dials of a server: which options go together, and why the others don't.
#pragma once

#include <polyio/drivers/registry.hpp>
#include <polyio/server/server.hpp>

namespace polyio {

// Fills in what the options leave open: model, architecture, workers, max_waiting, accepting.
// Throws std::invalid_argument, which says what to do, for what makes no sense.
void settle_dials(ServerOptions& options);

// What the registry says of a model that can be used here ("auto" is none). Throws
// std::invalid_argument, which says what to do, for an unknown one and one that can't be used.
ModelInfo usable_model(std::string_view model);

// Its processes or threads serve one connection each, so that their number is the ceiling.
bool workers_are_places(const ServerOptions& options) noexcept;
// Its connections are served by processes forked for it.
bool forks(const ServerOptions& options) noexcept;

}  // namespace polyio
