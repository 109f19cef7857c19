#include "server/listening_cases.hpp"

namespace polyio::server_test {
namespace {

POLYIO_ON_DIALS(Listening, false);

std::string refusal_of(std::string listen) {
  try {
    const Server server({.listen = std::move(listen), .signals = false}, echo);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "none";
}

TEST(InheritedSocket, IsRefusedWithWhatIsMissing) {
  using testing::HasSubstr;
  EXPECT_THAT(refusal_of("fd:9999"), HasSubstr("descriptor 9999 is no open socket"));
  EXPECT_THAT(refusal_of("fd:web"), HasSubstr("LISTEN_FDS"));
  auto client = os::stream_socket(AF_INET, os::Blocking::yes);
  ASSERT_TRUE(client);
  EXPECT_THAT(refusal_of(fmt::format("fd:{}", client->get())),
              HasSubstr("is no stream socket that listens"));
}

TEST(InheritedSocket, IsOneSocketWhichReuseportHasNoUseFor) {
  auto socket = os::listen_stream(os::Address::parse("127.0.0.1:0").value(), 16, os::Blocking::yes);
  ASSERT_TRUE(socket);
  EXPECT_THROW(Server({.listen = fmt::format("fd:{}", socket->get()),
                       .model = "epoll",
                       .architecture = "loops",
                       .accepting = "reuseport",
                       .signals = false},
                      echo),
               std::invalid_argument);
}

}  // namespace
}  // namespace polyio::server_test
