// libuv: one read buffer for all, uv_try_write first, uv_write for what is left.
#include <uv.h>

#include "common.hpp"

namespace {

struct Rest {
  uv_write_t request;
  std::string bytes;
};

void destroy(uv_handle_t* handle) { delete reinterpret_cast<uv_tcp_t*>(handle); }

void lend(uv_handle_t*, std::size_t, uv_buf_t* buffer) {
  *buffer = uv_buf_init(bench::hot_buffer, bench::buffer_size);
}

void on_read(uv_stream_t* stream, ssize_t n, const uv_buf_t* buffer);

void on_written(uv_write_t* request, int status) {
  uv_stream_t* stream = request->handle;
  delete static_cast<Rest*>(request->data);
  if (status == 0 && !uv_is_closing(reinterpret_cast<uv_handle_t*>(stream))) {
    uv_read_start(stream, lend, on_read);
  }
}

void on_read(uv_stream_t* stream, ssize_t n, const uv_buf_t* buffer) {
  if (n < 0) return uv_close(reinterpret_cast<uv_handle_t*>(stream), destroy);
  const auto size = static_cast<std::size_t>(n);
  bench::upper(buffer->base, size);
  const uv_buf_t all = uv_buf_init(buffer->base, static_cast<unsigned>(size));
  const int written = uv_try_write(stream, &all, 1);
  if (written == n) return;
  const std::size_t done = written < 0 ? 0 : static_cast<std::size_t>(written);
  uv_read_stop(stream);
  Rest* rest = new Rest{{}, std::string(buffer->base + done, size - done)};
  rest->request.data = rest;
  const uv_buf_t left = uv_buf_init(rest->bytes.data(), static_cast<unsigned>(size - done));
  uv_write(&rest->request, stream, &left, 1, on_written);
}

void on_connection(uv_stream_t* listener, int status) {
  if (status < 0) return;
  auto* client = new uv_tcp_t;
  uv_tcp_init(listener->loop, client);
  auto* stream = reinterpret_cast<uv_stream_t*>(client);
  if (uv_accept(listener, stream) == 0) {
    uv_read_start(stream, lend, on_read);
  } else {
    uv_close(reinterpret_cast<uv_handle_t*>(client), destroy);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int fd = bench::listen_here(argc, argv, "libuv, echo");
  uv_loop_t* loop = uv_default_loop();
  uv_tcp_t listener;
  uv_tcp_init(loop, &listener);
  uv_tcp_open(&listener, fd);
  if (uv_listen(reinterpret_cast<uv_stream_t*>(&listener), 4096, on_connection) != 0) return 1;
  return uv_run(loop, UV_RUN_DEFAULT);
}
