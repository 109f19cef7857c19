#include "server/stopping_cases.hpp"

namespace polyio::server_test {
namespace {

POLYIO_ON_DIALS(Stopping, false);
POLYIO_ON_DIALS(Stubborn, false);

// --- what can't start ---

std::string refusal_by_check(const ServerOptions& options) {
  try {
    Server::check(options);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "none";
}

std::string refusal_of(ServerOptions options) {
  options.log = [](std::string_view) {};
  const std::string by_check = refusal_by_check(options);
  try {
    const Server server(std::move(options), echo);
    EXPECT_EQ(by_check, "none");
  } catch (const std::invalid_argument& error) {
    EXPECT_EQ(by_check, error.what());
    return error.what();
  } catch (const std::system_error& error) {
    return std::string("system: ") + error.what();
  }
  return "none";
}

TEST(ServerOptions, ThatMakeNoSenseAreRefusedWithAWayOut) {
  using testing::AllOf;
  using testing::HasSubstr;
  EXPECT_THAT(refusal_of({.model = "uring"}),
              AllOf(HasSubstr("unknown model uring"), HasSubstr("epoll"), HasSubstr("auto")));
  EXPECT_THAT(refusal_of({.model = "epoll", .architecture = "postfork"}),
              AllOf(HasSubstr("unknown architecture postfork"), HasSubstr("loop, loops")));
  for (const char* architecture : {"loop", "loops"}) {
    EXPECT_THAT(refusal_of({.model = "blocking", .architecture = architecture}),
                AllOf(HasSubstr("one blocking call would hold up all connections of the loop"),
                      HasSubstr("use thread-per-connection")));
  }
  for (const char* listen : {"", "nowhere", "127.0.0.1", "127.0.0.1:99999", "1.2.3.4.5:80", ":x"}) {
    EXPECT_THAT(refusal_of({.listen = listen}),
                AllOf(HasSubstr(fmt::format("'{}'", listen)), HasSubstr("give ADDRESS:PORT")));
  }
  EXPECT_THAT(refusal_of({.listen = "unix:/" + std::string(107, 'x')}),
              HasSubstr("a Unix socket's path has at most 107 bytes, this one 108"));
  EXPECT_THAT(refusal_of({.policy = "lottery"}),
              AllOf(HasSubstr("unknown policy lottery"), HasSubstr("fcfs, sjf, rr, mlfq")));
  EXPECT_THAT(refusal_of({.architecture = "loops", .workers = 1'025}), HasSubstr("1024"));
  for (const ModelInfo& info : list_models()) {
    if (info.available) continue;
    EXPECT_THAT(refusal_of({.model = info.model}), HasSubstr(info.reason));
  }
}

TEST(ServerOptions, APolicyIsRefusedByNameWhereConnectionsTakeNoTurns) {
  using testing::AllOf;
  using testing::HasSubstr;
  for (const char* policy : {"sjf", "rr", "mlfq"}) {
    const auto refused = [&](const char* model, const char* architecture, const char* reason) {
      EXPECT_THAT(refusal_of({.model = model, .architecture = architecture, .policy = policy}),
                  AllOf(HasSubstr(fmt::format("policy {} orders the turns", policy)),
                        HasSubstr(fmt::format("under {} with model {}", architecture, model)),
                        HasSubstr(reason), HasSubstr("use architecture loop, loops or prefork")));
    };
    refused("epoll", "thread-per-connection", "decides which thread");
    refused("epoll", "thread-pool", "decides which thread");
    refused("epoll", "process-per-connection", "decides which process");
    refused("epoll", "iterative", "one after the other");
    refused("blocking", "thread-per-connection", "decides which thread");
    refused("blocking", "prefork", "decides which process");
    for (const char* architecture : {"loop", "loops", "prefork"}) {
      EXPECT_EQ(refusal_of({.model = "epoll", .architecture = architecture, .policy = policy}),
                "none");
    }
  }
  EXPECT_EQ(refusal_of({.model = "blocking", .policy = "fcfs"}), "none");
}

TEST(ServerOptions, AnAddressThatCannotBeHadIsASystemError) {
  using testing::AllOf;
  using testing::HasSubstr;
  using testing::StartsWith;
  const std::size_t before = open_fds();
  {
    Running running({}, echo);
    const std::string taken = running.server->address().text();
    EXPECT_THAT(
        refusal_of({.listen = taken}),
        AllOf(StartsWith("system: "), HasSubstr("can't listen on " + taken), HasSubstr("in use")));
    EXPECT_THAT(refusal_of({.listen = "192.0.2.1:80"}),
                AllOf(StartsWith("system: "), HasSubstr("192.0.2.1:80")));
  }
  EXPECT_EQ(open_fds(), before);
}

TEST(ServerOptions, AutoSaysWhatItChose) {
  Running running({}, echo);
  EXPECT_EQ(running.server->model(), choose_model().model);
  EXPECT_THAT(running.log.text(), testing::StartsWith("model: " + running.server->model() + " ("));
}

}  // namespace
}  // namespace polyio::server_test
