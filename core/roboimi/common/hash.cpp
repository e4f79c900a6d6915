#include "roboimi/common/hash.h"

#include <openssl/evp.h>

#include <array>

#include "roboimi/common/error.h"
#include "roboimi/common/files.h"

namespace roboimi {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  ROBOIMI_CHECK(EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1, "SHA-256");
}

Sha256::~Sha256() = default;

Sha256& Sha256::update(const void* data, std::size_t size) {
  EVP_DigestUpdate(state_->context, data, size);
  return *this;
}

Sha256& Sha256::update_text(std::string_view text) {
  const std::uint64_t size = text.size();
  return update(&size, sizeof(size)).update(text.data(), text.size());
}

std::string Sha256::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_DigestFinal_ex(state_->context, digest.data(), &size);
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (unsigned int i = 0; i < size; ++i) {
    text += kDigits[digest[i] >> 4];
    text += kDigits[digest[i] & 15];
  }
  return text;
}

std::string sha256_file(const std::filesystem::path& path) {
  const MappedFile file(path);
  return Sha256().update(file.data(), file.size()).hex();
}

}  // namespace roboimi
