#include "server/background_cases.hpp"

namespace polyio::server_test {
namespace {

POLYIO_ON_DIALS(BesideHandlers, false);

}  // namespace
}  // namespace polyio::server_test
