// The server contract on the architectures that fork.
#include "server/background_cases.hpp"
#include "server/limits_cases.hpp"
#include "server/listening_cases.hpp"
#include "server/serving_cases.hpp"
#include "server/stopping_cases.hpp"

namespace polyio::server_test {
namespace {

POLYIO_ON_DIALS(BesideHandlers, true);
POLYIO_ON_DIALS(Limits, true);
POLYIO_ON_DIALS(Listening, true);
POLYIO_ON_DIALS(Serving, true);
POLYIO_ON_DIALS(Stopping, true);
POLYIO_ON_DIALS(Stubborn, true);

}  // namespace
}  // namespace polyio::server_test
