//! Network blocks: what the models are made of. Tensors are `[batch, channels, height, width]`.

pub mod batch;
pub mod conv_kernel;
pub mod convolution;
pub mod device;
pub mod discriminator;
pub mod edges;
pub mod ema;
pub mod generator;
pub mod gradient_clip;
pub mod image_pool;
pub mod init;
pub mod kid;
pub mod losses;
pub mod norm;
pub mod patch_nce;
pub mod resnet_generator;
pub mod spectral_norm;
pub mod unet_generator;
pub mod workers;
