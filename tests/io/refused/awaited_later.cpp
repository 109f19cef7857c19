// await it in the statement that makes it
#include <polyio/io/when.hpp>

polyio::Task<> use(polyio::Io& io) {
  auto later = polyio::when_all(io, io.yield());
  (void)co_await later;
}
