import { loadS3, type S3 } from '../packages'

/**
 * Pictures as objects of a bucket. Region, credentials and endpoint are the AWS client's own settings: AWS_REGION,
 * AWS_ACCESS_KEY_ID, …, and AWS_ENDPOINT_URL for what is not Amazon's.
 */
export class S3Store {
  private readonly s3: S3 = loadS3()
  private readonly client: import('@aws-sdk/client-s3').S3Client

  constructor(
    private readonly bucket: string,
    private readonly prefix: string,
  ) {
    const elsewhere = process.env.AWS_ENDPOINT_URL_S3 || process.env.AWS_ENDPOINT_URL
    // Other servers seldom have a host name for each bucket.
    this.client = new this.s3.S3Client({
      forcePathStyle: Boolean(elsewhere),
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    })
  }

  async identity(): Promise<string> {
    return `s3://${this.bucket}/${this.prefix}`
  }

  async put(place: string, data: Promise<Uint8Array>, mediaType: string): Promise<void> {
    const object = { ...this.objectOf(place), Body: await data, ContentType: mediaType }
    await this.client.send(new this.s3.PutObjectCommand(object))
  }

  async get(place: string): Promise<Uint8Array | null> {
    try {
      const { Body } = await this.client.send(new this.s3.GetObjectCommand(this.objectOf(place)))
      return (await Body?.transformToByteArray()) ?? null
    } catch (error) {
      if (error instanceof this.s3.NoSuchKey) return null
      throw error
    }
  }

  async remove(place: string): Promise<void> {
    await this.client.send(new this.s3.DeleteObjectCommand(this.objectOf(place)))
  }

  close(): void {
    this.client.destroy()
  }

  private objectOf(place: string) {
    return { Bucket: this.bucket, Key: this.prefix === '' ? place : `${this.prefix}/${place}` }
  }
}
