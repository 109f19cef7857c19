// What the contexts are, and the layers that are made of them.
#pragma once

#include <polyio/tls/context.hpp>
#include <string_view>
#include <vector>

#include "layer.hpp"

namespace polyio::tls {

// As read: never changed afterwards, and kept by the handshakes that began with it.
struct ServerContext::Loaded {
  struct Row {
    SslContext context;
    Certificate certificate;
  };
  std::vector<Row> rows;  // the first is for clients that name no host
  std::string protocols;  // as on the wire
  std::vector<std::string> warnings;
};

struct ClientContext::State {
  SslContext context;
  std::string protocols;
  bool trust_anybody = false;
};

// Throw std::bad_alloc.
std::unique_ptr<Layer> server_layer(std::shared_ptr<const ServerContext::Loaded> loaded,
                                    std::string_view first);
// `host` and `why` stay valid until the handshake's end.
std::unique_ptr<Layer> client_layer(const ClientContext::State& state, const std::string& host,
                                    std::string* why);

}  // namespace polyio::tls
