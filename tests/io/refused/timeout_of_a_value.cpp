// with_timeout takes what can say that it failed
#include <polyio/io/when.hpp>

polyio::Task<int> number();

polyio::Task<> use(polyio::Io& io) {
  (void)co_await polyio::with_timeout(io, polyio::Nanoseconds(1), number());
}
