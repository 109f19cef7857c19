// ServerContext and ClientContext: what many TLS connections have in common: certificates, keys,
// authorities, protocols (ALPN). TLS 1.2 and 1.3 (RFC 5246, 8446). Copies share what they are
// copies of; thread-safe. Mistakes in files are said in words, with what to do.
#pragma once

#include <expected>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace polyio::tls {

// What a context could not be made of; what() is for people.
class ContextError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct CertificateFiles {
  std::string chain;  // PEM: the server's certificate, then those that vouch for it, in order
  std::string key;    // PEM, not encrypted; only its owner should be able to read it
};

struct ServerContextOptions {
  // At least one. A client that names a host (SNI, RFC 6066) gets the first certificate for that
  // host; any other client the first of all.
  std::vector<CertificateFiles> certificates;
  // Protocols, the best first (ALPN, RFC 7301). A client that asks for others only is refused; one
  // that asks for none is served. Empty: what the client asks is ignored.
  std::vector<std::string> protocols{};
};

class ServerContext {
 public:
  // Reads the files. Throws ContextError.
  explicit ServerContext(ServerContextOptions options);
  explicit ServerContext(CertificateFiles files);
  // Reads the files again: handshakes that begin from now on get what is in them. The error says
  // what is wrong; nothing has changed then. Blocks for the files.
  std::expected<void, std::string> reload();
  // What is allowed but will hardly be meant, of the files as they were read last: expired, a key
  // that others may read, a chain that is out of order. A line for each.
  std::vector<std::string> warnings() const;

  // --- for accept() ---
  struct Loaded;
  std::shared_ptr<const Loaded> loaded() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

struct ClientContextOptions {
  // PEM: the authorities to trust instead of the system's. Empty: the system's.
  std::string authorities = {};
  std::vector<std::string> protocols{};  // ALPN, the best first
  // Takes any certificate: encrypted, but anybody may be at the other end. For tests.
  bool trust_anybody = false;
};

class ClientContext {
 public:
  // Throws ContextError.
  explicit ClientContext(ClientContextOptions options);
  // The system's authorities. Not a default argument: g++ 12 would destroy it twice in a co_await.
  ClientContext() : ClientContext(ClientContextOptions{}) {}

  // --- for connect() ---
  struct State;
  const State& state() const noexcept { return *state_; }

 private:
  std::shared_ptr<const State> state_;
};

}  // namespace polyio::tls
