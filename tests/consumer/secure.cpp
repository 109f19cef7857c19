// A stranger's program with TLS: OpenSSL must come along with polyio::tls.
#include <cstdio>
#include <polyio/tls/tls.hpp>

int main() {
  const polyio::tls::ClientContext client;
  try {
    const polyio::tls::ServerContext server(polyio::tls::CertificateFiles{"none.pem", "none.key"});
    return 1;
  } catch (const polyio::tls::ContextError& error) {
    if (!std::string_view(error.what()).contains("can't read the certificate")) return 1;
  }
  std::printf("polyio's TLS works here\n");
}
