// iterative: accepts a connection, serves it to its end, accepts the next. One Io, and under model
// blocking one thread: a handler can't have a second task there.

#include "acceptor.hpp"
#include "solo.hpp"

namespace polyio {
namespace {

std::unique_ptr<Driver> lone_driver(const ServerShared& shared) {
  auto driver = shared.new_driver();
  driver->lend_no_threads();
  return driver;
}

class Iterative final : public Architecture {
 public:
  Iterative(ServerShared& shared, os::UniqueFd listener)
      : room_(shared, {}, shared.seats()[0]),
        solo_(shared, lone_driver(shared)),
        acceptor_(shared, room_, solo_.io()) {
    acceptor_.listen(std::move(listener), true);  // nobody is accepted ahead
    solo_.set_on_stop([this] {
      acceptor_.stop();
      if (!acceptor_.accepting()) acceptor_.close();  // not only after the handler's end
    });
  }
  void run(const std::function<void()>& ready) override {
    ready();
    solo_.run(main());
  }
  void stop(Stop how) override { solo_.stop(how); }
  std::vector<Io*> homes() override { return {&solo_.io()}; }

 private:
  Task<> main() {
    for (;;) {
      auto stream = co_await acceptor_.next();
      if (!stream) co_return;
      co_await solo_.serve(std::move(*stream));
      (void)room_.give_up_place();
    }
  }

  WaitingRoom room_;
  Solo solo_;
  Acceptor acceptor_;
};

}  // namespace

std::unique_ptr<Architecture> make_iterative(ServerShared& shared, os::UniqueFd listener) {
  return std::make_unique<Iterative>(shared, std::move(listener));
}

}  // namespace polyio
