// Fuzzes the index of a video: any input must give an Error or an index whose orders agree, and
// every packet must be found again. Decoding is left to FFmpeg's own fuzzing.
#include <cstdlib>

#include "roboimi/common/error.h"
#include "roboimi/io/packet_source.h"
#include "tests/fuzz/io/memory_file.h"

namespace roboimi {
namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check_order(const VideoIndex& index) {
  require(index.num_frames() > 0 && index.num_frames() <= index.num_packets());
  require(index.reorder_depth() >= 0 && index.reorder_depth() <= 16);
  std::int64_t num_shown = 0;
  for (std::int64_t packet = 0; packet < index.num_packets(); ++packet) {
    const std::int64_t frame = index.frame_of(packet), start = index.start_of(packet);
    if (frame != VideoIndex::kNotShown) {
      require(index.packet_of(frame) == packet);
      require(start <= packet);
      ++num_shown;
    }
    require(start >= index.first_keyframe());
  }
  require(num_shown == index.num_frames());
  for (std::size_t i = 1; i < index.times().size(); ++i) {
    require(index.times()[i] >= index.times()[i - 1]);
  }
  require(index.times().front() == 0.0);
}

void check_seeking(PacketSource& source, const VideoIndex& index) {
  const ffmpeg::Packet packet(ffmpeg::allocated(av_packet_alloc()));
  const std::int64_t last = index.num_packets() - 1;
  for (const std::int64_t number : {last, std::int64_t{0}, last / 2}) {
    source.seek(index.packets(), number);
    require(source.next(*packet));
    require(packet->pts == index.packets()[std::size_t(number)].pts);
    require(packet->pos == index.packets()[std::size_t(number)].position);
    av_packet_unref(packet.get());
  }
}

}  // namespace
}  // namespace roboimi

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // FFmpeg allocates what a header asks for.
  av_max_alloc(std::size_t{16} << 20);
  const roboimi::MemoryFile file(data, size);
  try {
    roboimi::PacketSource source(file.path());
    const roboimi::VideoIndex index(source.list(), source.time_base(), "fuzz");
    roboimi::check_order(index);
    roboimi::check_seeking(source, index);
  } catch (const roboimi::Error&) {
  }
  return 0;
}
