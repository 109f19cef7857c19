#include <gtest/gtest.h>
#include <polyio/proto/handshake.hpp>

namespace polyio::proto {
namespace {

Request upgrade() {
  Request request;
  request.method = "GET";
  request.path = request.target = "/";
  request.headers = {{"Host", "localhost:8080"},
                     {"Upgrade", "websocket"},
                     {"Connection", "keep-alive, Upgrade"},
                     {"Sec-WebSocket-Version", "13"},
                     {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};
  return request;
}

// The request with the header's value changed; without the header if there is no value.
Request with(std::string_view name, std::optional<std::string> value) {
  Request request = upgrade();
  std::erase_if(request.headers, [&](const Header& h) { return h.name == name; });
  if (value) request.headers.push_back({std::string(name), *value});
  return request;
}

int status_of(const Request& request) {
  const auto checked = check_upgrade(request);
  return checked ? 101 : checked.error().status;
}

// The example of RFC 6455, section 1.3.
TEST(Handshake, AcceptsTheExampleOfTheRfc) {
  const auto accept = check_upgrade(upgrade());
  ASSERT_TRUE(accept);
  EXPECT_EQ(*accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(upgrade_response(*accept),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
}

TEST(Handshake, NamesTheStatusOfWhatItRefuses) {
  EXPECT_EQ(status_of(with("Upgrade", "h2c, WebSocket")), 101);
  EXPECT_EQ(status_of(with("Connection", "UPGRADE")), 101);
  EXPECT_EQ(status_of(with("Upgrade", std::nullopt)), 426);
  EXPECT_EQ(status_of(with("Upgrade", "h2c")), 426);
  EXPECT_EQ(status_of(with("Connection", std::nullopt)), 400);
  EXPECT_EQ(status_of(with("Connection", "close")), 400);
  EXPECT_EQ(status_of(with("Sec-WebSocket-Version", std::nullopt)), 400);
  EXPECT_EQ(status_of(with("Sec-WebSocket-Version", "8")), 426);
  EXPECT_EQ(status_of(with("Sec-WebSocket-Version", "013")), 426);
  EXPECT_EQ(status_of(with("Sec-WebSocket-Key", std::nullopt)), 400);

  Request request = upgrade();
  request.method = "POST";
  EXPECT_EQ(status_of(request), 405);
  request = upgrade();
  request.minor_version = 0;
  EXPECT_EQ(status_of(request), 400);
  request = upgrade();
  request.body = "x";
  EXPECT_EQ(status_of(request), 400);
  request = upgrade();
  request.headers.push_back({"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="});
  EXPECT_EQ(status_of(request), 400);
  request = upgrade();
  request.headers.push_back({"sec-websocket-version", "13"});
  EXPECT_EQ(status_of(request), 400);
}

TEST(Handshake, AKeyIsSixteenBytesOfBase64) {
  EXPECT_EQ(status_of(with("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")), 101);
  for (const auto* key :
       {"", "AAAAAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAA==A",
        "AAAAAAAAAAAAAAAAAAAAA A==", "AAAAAAAAAAAAAAAAAAAAAA= ", "AAAAAAAAAAAAAAAAAAAA====",
        "AAAAAAAAAAAAAAAAAAAAA!==", "AAAAAAAAAAAAAAAAAAAAA-==", "========================"}) {
    EXPECT_EQ(status_of(with("Sec-WebSocket-Key", key)), 400) << key;
  }
}

TEST(Handshake, AgreesToTheFirstOfferOfCompressionThatItCanKeep) {
  const std::string yes =
      "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
  const std::pair<const char*, std::string> cases[] = {
      {"permessage-deflate", yes},
      {"permessage-deflate; client_max_window_bits", yes},
      {"permessage-deflate;client_max_window_bits=8;server_no_context_takeover", yes},
      {"permessage-deflate; client_no_context_takeover; client_max_window_bits=\"15\"", yes},
      {"permessage-deflate; server_max_window_bits=15", yes + "; server_max_window_bits=15"},
      {"permessage-deflate; server_max_window_bits=\"12\"", yes + "; server_max_window_bits=12"},
      {"permessage-deflate; server_max_window_bits=11, permessage-deflate", yes},
      {"other; a=\"permessage-deflate, \\\" ;\", , permessage-deflate", yes},
      {"x-webkit-deflate-frame", ""},
      {"", ""},
      {"Permessage-Deflate", ""},
      {"permessage-deflate; other", ""},
      {"permessage-deflate; server_no_context_takeover=1", ""},
      {"permessage-deflate; client_no_context_takeover=", ""},
      {"permessage-deflate; server_no_context_takeover; server_no_context_takeover", ""},
      {"permessage-deflate; client_max_window_bits=9; client_max_window_bits=9", ""},
      {"permessage-deflate; server_max_window_bits", ""},
      {"permessage-deflate; server_max_window_bits=", ""},
      {"permessage-deflate; server_max_window_bits=11", ""},
      {"permessage-deflate; server_max_window_bits=16", ""},
      {"permessage-deflate; server_max_window_bits=012", ""},
      {"permessage-deflate; client_max_window_bits=", ""},
      {"permessage-deflate; client_max_window_bits=7", ""},
      {"permessage-deflate; client_max_window_bits=16", ""},
      {"permessage-deflate; client_max_window_bits=1x", ""},
      {"permessage-deflate; client_max_window_bits=-9", ""},
      {"permessage-deflate; client_max_window_bits=\"9", ""},
      {"\"permessage-deflate\"", ""},
  };
  for (const auto& [offer, answer] : cases) {
    EXPECT_EQ(deflate_answer(with("Sec-WebSocket-Extensions", offer)), answer) << offer;
  }
  EXPECT_EQ(deflate_answer(upgrade()), "");
  Request two = with("Sec-WebSocket-Extensions", "permessage-deflate; bad");
  two.headers.push_back({"sec-websocket-extensions", "permessage-deflate"});
  EXPECT_EQ(deflate_answer(two), yes);
  EXPECT_TRUE(
      upgrade_response("a", yes).ends_with("\r\nSec-WebSocket-Extensions: " + yes + "\r\n\r\n"));
}

TEST(Handshake, RefusalsCarryTheHeadersTheyNeed) {
  EXPECT_TRUE(refusal_response({426, "x"}).contains("\r\nSec-WebSocket-Version: 13\r\n"));
  EXPECT_TRUE(refusal_response({426, "x"}).contains("\r\nUpgrade: websocket\r\n"));
  EXPECT_TRUE(refusal_response({405, "x"}).contains("\r\nAllow: GET\r\n"));
  EXPECT_TRUE(refusal_response({400, "x"}).starts_with("HTTP/1.1 400 Bad Request\r\n"));
  for (const int status : {400, 405, 426}) {
    const std::string text = refusal_response({status, "x"});
    EXPECT_TRUE(text.contains("close\r\n")) << text;
  }
}

struct OriginCase {
  const char* origin;
  const char* host;
  bool allowed;
};

TEST(Origin, OnlyThePageOfThisServerMayTalkToIt) {
  const OriginCase cases[] = {
      {"http://localhost:8080", "localhost:8080", true},
      {"http://LOCALHOST:8080", "localhost:8080", true},
      {"http://localhost", "localhost", true},
      {"http://localhost", "localhost:80", true},
      {"http://localhost:80", "localhost", true},
      {"https://localhost", "localhost:443", true},
      {"https://localhost:8443", "localhost:8443", true},
      {"http://127.0.0.1:5000", "127.0.0.1:5000", true},
      {"http://192.168.1.20", "192.168.1.20", true},
      {"http://[::1]:5000", "[::1]:5000", true},
      {"http://[fe80::1]", "[FE80::1]", true},
      {"https://chat.example", "chat.example", true},
      {"https://Chat.Example:444", "chat.example:444", true},
      {"http://localhost:8081", "localhost:8080", false},
      {"https://localhost", "localhost", true},
      {"https://localhost", "localhost:80", false},
      {"http://localhost", "localhost:443", false},
      {"http://127.0.0.1:5000", "localhost:5000", false},
      {"http://evil.example", "localhost", false},
      {"http://evil.example", "evil.example", false},  // DNS rebinding
      {"http://evil.example:5000", "evil.example:5000", false},
      {"http://localhost.evil.example", "localhost.evil.example", false},
      {"http://127.0.0.1.evil.example", "127.0.0.1.evil.example", false},
      {"http://sub.chat.example", "sub.chat.example", false},
      {"http://chat.example.", "chat.example.", false},
      {"null", "localhost", false},
      {"", "localhost", false},
      {"http://", "", false},
      {"localhost", "localhost", false},
      {"file://localhost", "localhost", false},
      {"ws://localhost", "localhost", false},
      {"http://localhost/", "localhost", false},
      {"http://localhost:80/", "localhost", false},
      {"http://user@localhost", "localhost", false},
      {"http://user@localhost", "user@localhost", false},
      {"http://localhost http://evil.example", "localhost", false},
      {"http://localhost, http://evil.example", "localhost", false},
      {"http://localhost:", "localhost:", false},
      {"http://localhost:+80", "localhost:+80", false},
      {"http://localhost:-1", "localhost:-1", false},
      {"http://localhost:65536", "localhost:65536", false},
      {"http://localhost:99999999999999999999", "localhost:99999999999999999999", false},
      {"http://[::1", "[::1", false},
      {"http://[::1]x", "[::1]x", false},
      {"http://[evil.example]", "[evil.example]", false},
      {"http://1.2.3", "1.2.3", false},
      {"http://1.2.3.4.5", "1.2.3.4.5", false},
      {"http://1.2.3.256", "1.2.3.256", false},
      {"http://1.2.3.0004", "1.2.3.0004", false},
      {"http://1..3.4", "1..3.4", false},
      {"http://1.2.3.", "1.2.3.", false},
  };
  const std::string allowed[] = {"chat.example"};
  for (const auto& [origin, host, expected] : cases) {
    EXPECT_EQ(origin_allowed(origin, host, allowed), expected) << origin << " to " << host;
  }
  EXPECT_TRUE(origin_allowed(std::nullopt, "evil.example"));
  EXPECT_FALSE(origin_allowed("https://chat.example", "chat.example"));
}

// There the page has another port, another scheme, and the proxy's name for this server.
TEST(Origin, BehindAProxyIsAnAllowedNameOnAnyPort) {
  struct Case {
    std::string_view origin, host;
    bool allowed;
  };
  const Case cases[] = {
      {"https://chat.example:8443", "chat.example", true},
      {"https://chat.example", "chat.example:8080", true},
      {"http://CHAT.example:81", "127.0.0.1:3999", true},
      {"https://chat.example", "localhost:3999", true},
      {"https://chat.example", "evil.example", false},
      {"https://chat.example.evil.example", "chat.example", false},
      {"https://evil.example", "chat.example", false},
      {"https://evil.example", "127.0.0.1:3999", false},
      {"https://localhost:8443", "localhost", false},
      {"http://127.0.0.1:1", "chat.example", false},
  };
  const std::string allowed[] = {"chat.example"};
  for (const auto& [origin, host, expected] : cases) {
    EXPECT_EQ(origin_allowed(origin, host, allowed), expected) << origin << " to " << host;
  }
}

TEST(Origin, OfARequestIsItsOneOrigin) {
  EXPECT_TRUE(origin_allowed(with("Origin", std::nullopt)));
  EXPECT_TRUE(origin_allowed(with("Origin", "http://localhost:8080")));
  EXPECT_FALSE(origin_allowed(with("Origin", "http://evil.example")));
  Request twice = with("Origin", "http://localhost:8080");
  twice.headers.push_back({"origin", "http://localhost:8080"});
  EXPECT_FALSE(origin_allowed(twice));
  EXPECT_FALSE(origin_allowed(with("Host", std::nullopt)));
}

TEST(Host, OnlyNamesThatOthersCanNotPointHere) {
  const std::string allowed[] = {"chat.example"};
  for (const auto* host : {"localhost", "127.0.0.1:80", "[::1]", "[::1]:80", "CHAT.example:9"}) {
    EXPECT_TRUE(host_allowed(host, allowed)) << host;
  }
  for (const auto* host :
       {"", ":80", "evil.example", "localhost:x", "[]", "[:]", "chat.example "}) {
    EXPECT_FALSE(host_allowed(host, allowed)) << host;
  }
}

}  // namespace
}  // namespace polyio::proto
